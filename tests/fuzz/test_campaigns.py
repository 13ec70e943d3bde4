"""No input makes kdeploy fail with its own bug, die, take more than 30 s or more than 1.5 GiB.

A few cases of each campaign and all that was ever found run with the tests; `make long` runs whole campaigns.
"""

from __future__ import annotations

import pytest

from tests.fuzz import bundles, corpus, data, models, recipes
from tests.fuzz.campaign import GIB, Ending, Result, campaign

CAMPAIGNS = {"recipes": (recipes.case, 2000), "models": (models.case, 2000), "bundles": (bundles.case, 1000)}
CAMPAIGNS |= {"data": (data.case, 1000)}
SAMPLE = 8  # cases of each, from where a whole campaign ends
VALID = 0.5  # of the recipes


def must_hold(result: Result) -> None:
    assert result.endings
    assert result.faults == []
    if result.name == "recipes":
        assert result.share(0) >= VALID


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_a_few_cases_hold(name):
    generator, count = CAMPAIGNS[name]
    must_hold(campaign(name, generator, range(count, count + SAMPLE)))


@pytest.mark.long
@pytest.mark.parametrize("name", CAMPAIGNS)
def test_a_whole_campaign_holds(name):
    generator, count = CAMPAIGNS[name]
    must_hold(campaign(name, generator, range(count)))


def test_what_was_found_stays_mended():
    numbers = range(len(corpus.kept()))
    assert numbers
    result = campaign("corpus", corpus.case, numbers)
    must_hold(result)
    codes = {number: [one.code for one in result.endings if one.case == number] for number in numbers}
    assert {corpus.kept()[number].name: codes[number] for number in numbers} == {
        corpus.kept()[number].name: corpus.expected(number) for number in numbers
    }


@pytest.mark.parametrize("generator", [generator for generator, _ in CAMPAIGNS.values()])
def test_a_case_is_made_again_by_its_number(generator, tmp_path):
    made = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        generator(3, tmp_path / name)
        files = sorted(file for file in (tmp_path / name).rglob("*") if file.is_file())
        made.append({str(file.relative_to(tmp_path / name)): file.read_bytes() for file in files})
    assert made[0]
    assert made[0].keys() == made[1].keys()
    assert [name for name in made[0] if made[0][name] != made[1][name] and not name.endswith((".npz", ".zip"))] == []


@pytest.mark.parametrize(
    ("code", "seconds", "peak_bytes", "fault"),
    [
        (5, 29.0, GIB, None),
        (1, 1.0, GIB, "ended with 1"),
        (-11, 1.0, GIB, "ended with -11"),
        (139, 1.0, GIB, "ended with 139"),
        (0, 31.0, GIB, "took 31.0 s"),
        (3, 1.0, 2 * GIB, "took 2.00 GiB"),
    ],
)
def test_what_no_command_may_do_is_a_fault(code, seconds, peak_bytes, fault):
    assert Ending(0, ["kdeploy", "plan"], code, seconds, peak_bytes, "").fault == fault
