"""The verbs as functions."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import shutil

import pytest

import kdeploy
from kdeploy import api
from kdeploy.errors import GateError, InputError, MissingError
from kdeploy.pipeline.store import Store
from kdeploy.recipe import shipped
from kdeploy.records.bench import BenchRecord
from kdeploy.records.bundle import BundleRecord
from kdeploy.records.distill import DistillRecord
from kdeploy.records.export import ExportRecord
from kdeploy.records.labels import LabelsRecord
from kdeploy.records.parity import VerifyRecord
from kdeploy.records.report import ReportRecord
from kdeploy.verbs.doctor import Finding
from kdeploy.verbs.prepare import Options
from kdeploy.verbs.runs import find_run
from tests.program import TINY


@pytest.mark.parametrize("name", kdeploy.__all__)
def test_a_name_of_the_package_stays_the_function_whatever_was_imported(name):
    for module in pkgutil.iter_modules(kdeploy.__path__):
        importlib.import_module(f"kdeploy.{module.name}")
    assert getattr(kdeploy, name) is getattr(api, name)


def test_the_names_of_the_package_are_those_of_the_api_in_order():
    assert kdeploy.__all__ == api.__all__
    assert kdeploy.__all__ == sorted(kdeploy.__all__)
    assert set(kdeploy.__all__) <= set(dir(kdeploy))


@pytest.mark.parametrize("name", [name for name in kdeploy.__all__ if name.islower()])
def test_a_function_says_what_it_takes(name):
    function = getattr(kdeploy, name)
    assert function.__doc__.strip().endswith((".", ")", "`"))
    arguments = set(inspect.signature(function).parameters) - {"subject", "options"}
    if len(arguments) > 3:
        assert all(re.search(rf"^ +(\w+, )?{one}(, \w+)*:", function.__doc__, re.MULTILINE) for one in arguments)


def test_a_name_the_package_lacks_is_an_attribute_error():
    with pytest.raises(AttributeError) as caught:
        _ = kdeploy.nothing
    assert str(caught.value) == "module 'kdeploy' has no attribute 'nothing'"


@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        ("label", LabelsRecord),
        ("distill", DistillRecord),
        ("export", ExportRecord),
        ("verify", VerifyRecord),
        ("bench", BenchRecord),
        ("bundle", BundleRecord),
        ("report", ReportRecord),
    ],
)
def test_a_verb_gives_the_record_of_its_stage_without_doing_it_again(verb, kind, runs):
    options = kdeploy.Options(runs=runs)
    record = getattr(kdeploy, verb)("tiny", options)
    assert type(record) is kind
    assert api.run("tiny", options).ran == []


def test_the_summary_of_a_job_is_what_the_command_prints(tiny, runs):
    summary = api.summary(kdeploy.run(TINY, kdeploy.Options(runs=runs)))
    printed = tiny.outcome.document
    assert printed["bundle"] == str(tiny.runs / str(summary.bundle))
    assert json.loads(summary.to_json()) == {**printed, "stages_run": [], "bundle": summary.bundle}


def test_a_gate_that_is_missed_is_an_error_unless_the_caller_looks_itself(runs):
    options = Options(runs=runs, overrides=("gate.min_speedup=1000",))
    with pytest.raises(GateError) as caught:
        api.run("tiny", options)
    summary = api.summary(api.run("tiny", options, check_gate=False))
    assert summary.bundle is None
    with pytest.raises(GateError) as again:
        api.require_gate(summary)
    assert str(again.value) == str(caught.value)


def test_unnamed_work_is_shown_and_removed(runs):
    (left := runs / "labels" / "0123" / "record.json").parent.mkdir(parents=True)
    left.write_text("{}")
    assert [item.path for item in api.clean(runs)] == [left.parent]
    assert left.exists()
    api.clean(runs, remove=True)
    assert not left.parent.exists()


def test_what_the_doctor_did_not_find_is_an_error_for_who_requires_it():
    api.require_installed([finding for finding in api.doctor() if finding.ok])
    with pytest.raises(MissingError) as caught:
        api.require_installed([Finding("runtime x", False, "install it")])
    assert str(caught.value) == "this machine: must have everything (missing: runtime x)."


def test_a_run_is_found_by_name_and_by_file(runs):
    store = Store(runs)
    assert find_run("tiny", store) == find_run(str(runs / "tiny.json"), store)


def test_a_run_that_is_not_there_is_refused_with_those_that_are(runs):
    with pytest.raises(InputError) as caught:
        find_run("none", Store(runs))
    assert str(caught.value) == (
        f"none: must be a recipe file, or the name of a run or of a recipe that ships (no such file, and no "
        f"{runs}/none.json). {shipped.advice('none')} Runs here: tiny."
    )


def test_show_needs_the_stages_up_to_the_export(runs):
    shutil.rmtree(runs / "teacher")
    with pytest.raises(InputError) as caught:
        api.show("tiny", Options(runs=runs))
    assert str(caught.value).endswith(
        "must be the record of a finished stage (there is no such file). Finish the recipe first: kdeploy run RECIPE."
    )


def test_a_folder_of_runs_may_move(tiny, tmp_path):
    moved = shutil.copytree(tiny.runs, tmp_path / "elsewhere" / "runs", symlinks=True)
    assert api.run("tiny", Options(runs=moved)).ran == []


def test_a_run_keeps_its_overrides(runs):
    options = Options(runs=runs, overrides=("gate.max_drop=100",))
    assert api.run(TINY, options).ran == ["bundle", "report"]
    assert api.run("tiny", Options(runs=runs)).ran == []
    assert api.run(TINY, Options(runs=runs)).ran == []
    assert find_run("tiny", Store(runs)).recipe.get("gate", {}).get("max_drop") is None


def test_an_unknown_stage_to_force_is_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        api.run(TINY, Options(runs=tmp_path / "runs"), force=["all"])
    assert str(caught.value) == (
        "--force: must be one of samples, teacher, labels, distill, export, verify, bench, bundle, report (all)."
    )
