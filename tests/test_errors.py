"""The exit codes are a contract, and a message has one form."""

from __future__ import annotations

import signal

import pytest

from kdeploy import errors
from kdeploy.errors import Interrupted, KdeployError, RecipeError, sentence

EXIT_CODES = {
    "KdeployError": 1,
    "UsageError": 2,
    "InputError": 3,
    "RecipeError": 3,
    "DataError": 3,
    "ModelError": 3,
    "BundleError": 3,
    "BusyError": 3,
    "IntegrityError": 4,
    "MeasuredError": 5,
    "ParityError": 5,
    "GateError": 5,
    "NonFiniteError": 5,
    "ClaimError": 6,
    "MissingError": 7,
    "ResourceError": 8,
}
OF_ANOTHER_CODE = {"Interrupted", "OtherProcessFailed"}  # each error has its own


def _classes() -> dict[str, type[KdeployError]]:
    found = [KdeployError]
    for one in found:
        found += one.__subclasses__()
    return {one.__name__: one for one in found if one.__module__ == errors.__name__}


def test_every_error_has_the_exit_code_of_the_contract():
    found = {name: one.exit_code for name, one in _classes().items() if name not in OF_ANOTHER_CODE}
    assert found == EXIT_CODES


def test_the_tree_at_the_top_names_every_error():
    assert errors.__doc__ is not None
    assert [name for name in _classes() if name not in errors.__doc__] == []


def test_a_sentence_has_where_must_got_and_advice():
    assert sentence("a.yaml:7", "lr must be above 0", "got 0", "Try 1e-3.") == (
        "a.yaml:7: lr must be above 0 (got 0). Try 1e-3."
    )


def test_a_sentence_leaves_out_what_is_not_given():
    assert sentence("a.yaml:7", "lr must be above 0") == "a.yaml:7: lr must be above 0."
    assert sentence("a.yaml:7", "lr must be above 0", advice="Try 1e-3.") == "a.yaml:7: lr must be above 0. Try 1e-3."


@pytest.mark.parametrize("name", [name for name in EXIT_CODES if name != "RecipeError"])
def test_an_error_is_its_sentence_and_its_json(name):
    error = _classes()[name]("runs", "must be writable", got="Read-only file system", advice="Name another.")
    assert str(error) == "runs: must be writable (Read-only file system). Name another."
    assert error.as_json() == {
        "kind": name,
        "exit_code": EXIT_CODES[name],
        "message": "runs: must be writable (Read-only file system). Name another.",
        "where": "runs",
        "must": "must be writable",
        "got": "Read-only file system",
        "advice": "Name another.",
    }


def test_a_recipe_error_is_all_its_problems_one_a_line():
    error = RecipeError("a.yaml", ["a.yaml:1: one.", "a.yaml:2: two."])
    assert str(error) == "a.yaml:1: one.\na.yaml:2: two."
    assert error.as_json() == {
        "kind": "RecipeError",
        "exit_code": 3,
        "message": "a.yaml:1: one.\na.yaml:2: two.",
        "where": "a.yaml",
        "must": "must be a valid recipe",
        "got": "2 problem(s)",
        "advice": "",
        "problems": ["a.yaml:1: one.", "a.yaml:2: two."],
    }


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_has_the_exit_code_of_its_signal(number, code):
    error = Interrupted("labels", number, advice="Go on with: kdeploy run a.yaml.")
    assert error.code == code
    assert str(error) == "labels: was interrupted after a clean checkpoint. Go on with: kdeploy run a.yaml."


def test_what_failed_elsewhere_ends_with_the_code_of_that():
    error = errors.OtherProcessFailed("the first process", "must succeed", code=5)
    assert str(error) == "the first process: must succeed (it ended with 5)."
    assert error.as_json()["exit_code"] == error.code == 5
