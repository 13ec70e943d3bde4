"""Exit codes and whole sentences, on stderr and as JSON; nothing but the one document on stdout."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import typer

from kdeploy.cli.errors import exit_code_of
from kdeploy.recipe import shipped
from tests.program import PROGRAM, REPOSITORY, TINY, environment, kdeploy

WRONG = """\
name: wrong
data: {source: mnist-5k}
teacher: [{model: deep-cnn}]
student: {bottleneck: 0, hiden: [64]}
distill: {epochs: many, lr: 1e-3}
name: again
"""
PROBLEMS = [
    ":4: student.bottleneck must be a whole number from 1 to 1,000,000, or a mapping with layer and rank (got 0). "
    "Leave it out for a student without a bottleneck.",
    ":4: student.hiden is not a known key. Did you mean 'hidden'?",
    ":5: distill.epochs must be a whole number (got 'many').",
    ":6: name must be given once (it is also on line 1). Remove one of them.",
]


def _write(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return path


def test_every_problem_of_a_recipe_comes_at_once_with_its_line(command, tmp_path):
    path = _write(tmp_path, WRONG)
    found = command("run", path, "--runs", tmp_path / "runs")
    assert (found.code, found.stdout) == (3, "")
    assert found.stderr == "".join(f"{path}{problem}\n" for problem in PROBLEMS)
    assert not (tmp_path / "runs").exists()


def test_with_json_the_problems_are_the_one_document(command, tmp_path):
    path = _write(tmp_path, WRONG)
    found = command("plan", path, "--json")
    assert found.code == 3
    assert list(found.document) == ["error"]
    assert found.document["error"]["problems"] == [f"{path}{problem}" for problem in PROBLEMS]
    assert (found.document["error"]["kind"], found.document["error"]["exit_code"]) == ("RecipeError", 3)


def test_an_empty_recipe_is_refused(command, tmp_path):
    path = _write(tmp_path, "")
    advice = "See one: kdeploy recipes show mnist-5k."
    expected = f"error: {path}: a recipe must be a mapping (got an empty file). {advice}\n"
    assert command("plan", path) == (3, "", expected)


def test_a_missing_recipe_is_refused(command, tmp_path):
    path = tmp_path / "no.yaml"
    expected = (
        f"error: {path}: must be a recipe file (there is no such file). Those that ship go by name: kdeploy recipes.\n"
    )
    assert command("plan", path) == (3, "", expected)


def test_a_terminal_gets_no_control_characters_from_a_name(command):
    found = command("run", "a\x1b[31m\u202eb.yaml")
    assert found.code == 3
    assert found.stderr.startswith("error: a?[31m?b.yaml: must be a recipe file")


def test_an_unknown_run_is_refused_with_the_known_ones(command, tmp_path, runs):
    expected = (
        f"error: other: must be a recipe file, or the name of a run or of a recipe that ships (no such file, and no "
        f"{runs}/other.json). {shipped.advice('other')} Runs here: tiny.\n"
    )
    assert command("show", "other", "--runs", runs) == (3, "", expected)
    empty = tmp_path / "empty"
    expected = (
        f"error: other: must be a recipe file, or the name of a run or of a recipe that ships (no such file, and no "
        f"{empty}/other.json). {shipped.advice('other')} Runs here: none.\n"
    )
    assert command("show", "other", "--runs", empty) == (3, "", expected)


def test_a_learning_rate_in_scientific_notation_is_a_number(command, tmp_path):
    text = "name: a\ndata: {source: mnist-5k}\nteacher: [{model: deep-cnn}]\ndistill: {lr: 1e-3}\n"
    assert command("plan", _write(tmp_path, text), "--no-time", "--runs", tmp_path / "runs").code == 0


def test_an_unknown_runtime_is_bad_input(command, tmp_path):
    found = command("plan", TINY, "--set", "bench.runtimes=[onnxruntme]", "--runs", tmp_path / "runs")
    expected = (
        "error: --set bench.runtimes: bench.runtimes[0] must be a runtime (got 'onnxruntme'). "
        "Did you mean 'onnxruntime'?\n"
    )
    assert found == (3, "", expected)


PLUGIN = """
class Nowhere:
    name = "nowhere"
    def missing(self):
        return "Install it with: pip install 'kdeploy[nowhere]'."
"""


@pytest.fixture
def nowhere(tmp_path: Path) -> str:
    """A folder for PYTHONPATH with an installed package that declares a runtime which cannot run here."""
    facts = tmp_path / "site" / "nowhere-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: nowhere\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[kdeploy.runtimes]\nnowhere = nowhere_runtime:Nowhere\n")
    (facts.parent / "nowhere_runtime.py").write_text(PLUGIN)
    return str(facts.parent)


def test_a_runtime_that_is_not_installed_is_missing(nowhere, tmp_path):
    words = ("label", TINY, "--set", "bench.runtimes=[nowhere]", "--runs", tmp_path / "runs")
    expected = (
        "error: --set bench.runtimes: runtime 'nowhere' must be installed (not here). "
        "Install it with: pip install 'kdeploy[nowhere]'.\n"
    )
    assert kdeploy(*words, PYTHONPATH=nowhere) == (7, "", expected)
    assert "runtime nowhere" in kdeploy("doctor", PYTHONPATH=nowhere).stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nope"], "No such command 'nope'."),
        (["run"], "Missing argument 'RECIPE|RUN'."),
        (["bench", "a.onnx"], "Invalid value: give one run, two models, or one model and --vs"),
        (["verify", "a.onnx", "b"], "Invalid value: give one run, one bundle, or only .onnx files"),
        (
            ["recipes", "wrong"],
            "Invalid value: use: kdeploy recipes, kdeploy recipes show NAME, or kdeploy recipes schema",
        ),
        (["run", "x.yaml", "--set"], "Option '--set' requires an argument."),
    ],
)
def test_a_usage_error_ends_with_2(command, words, sentence):
    assert command(*words) == (2, "", f"{sentence}\nTry: kdeploy --help\n")


def test_a_usage_error_is_json_with_json(command):
    found = command("bench", "a.onnx", "--json")
    message = "Invalid value: give one run, two models, or one model and --vs"
    assert (found.code, found.document) == (
        2,
        {"error": {"kind": "UsageError", "exit_code": 2, "message": message}},
    )


def test_an_override_without_a_value_is_a_usage_error(command):
    expected = "error: --set: must be key=value (got 'nope'). For example: --set student.bottleneck=128.\n"
    assert command("plan", TINY, "--set", "nope") == (2, "", expected)


def test_an_unknown_stage_to_force_is_refused(command, tmp_path):
    stages = "samples, teacher, labels, distill, export, verify, bench, bundle, report"
    expected = f"error: --force: must be one of {stages} (all).\n"
    assert command("run", TINY, "--force", "all", "--runs", tmp_path / "runs") == (3, "", expected)


def test_code_of_a_recipe_is_refused_without_trust(command, tmp_path):
    text = 'name: mine\ndata: {source: mnist-5k}\nteacher: [{torch: "pkg.mod:build"}]\n'
    path = _write(tmp_path, text)
    expected = (
        f"error: {path}:3: teacher[0].torch must be trusted, because it runs the code of pkg.mod (got no --trust). "
        "Read that code, then pass --trust.\n"
    )
    assert command("run", path, "--runs", tmp_path / "runs") == (4, "", expected)


def _application(error: BaseException) -> typer.Typer:
    app = typer.Typer()

    @app.command()
    def fail(as_json: bool = typer.Option(False, "--json")) -> None:
        raise error

    return app


def test_a_bug_ends_with_1_and_its_traceback_is_in_a_file(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = exit_code_of(_application(ZeroDivisionError("one\ntwo")), ["--json"])
    [log] = tmp_path.glob("kdeploy-error-*.log")
    line = f"kdeploy failed: ZeroDivisionError: one. The traceback is in {log}. Please report it."
    out, err = capsys.readouterr()
    assert code == 1
    assert json.loads(out) == {"error": {"kind": "Bug", "exit_code": 1, "message": line}}
    assert err == f"error: {line}\n"
    assert log.read_text().startswith("Traceback (most recent call last):")
    assert log.read_text().endswith("ZeroDivisionError: one\ntwo\n")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("can't start new thread"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    ],
)
def test_memory_and_threads_that_ran_out_end_with_8(error, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert exit_code_of(_application(error), []) == 8
    [log] = tmp_path.glob("kdeploy-error-*.log")
    assert capsys.readouterr().err == (
        f"error: kdeploy ran out of memory or threads ({type(error).__name__}: {error}). "
        f"Use smaller batches, or raise the limits of this process. Details: {log}.\n"
    )


def test_no_memory_for_a_traceback_is_no_error_of_its_own(capsys, monkeypatch):
    def none_left(_error: BaseException) -> list[str]:
        raise MemoryError

    monkeypatch.setattr("traceback.format_exception", none_left)
    assert exit_code_of(_application(MemoryError("array")), []) == 8
    assert capsys.readouterr().err == (
        "error: kdeploy ran out of memory or threads (MemoryError: array). Use smaller batches, or raise the limits of "
        "this process. Details: no file (there is no memory for it).\n"
    )


def test_a_keyboard_interrupt_before_the_work_ends_with_130(capsys):
    assert exit_code_of(_application(KeyboardInterrupt()), []) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "error", [EOFError("where is the rest?"), SystemExit(0), BrokenPipeError(32, "Broken pipe"), GeneratorExit()]
)
def test_what_typer_would_make_an_interruption_or_an_exit_of_is_a_bug(error, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert exit_code_of(_application(error), []) == 1
    [log] = tmp_path.glob("kdeploy-error-*.log")
    line = f"kdeploy failed: {type(error).__name__}: {error}. The traceback is in {log}. Please report it."
    assert capsys.readouterr().err.splitlines()[-1] == f"error: {line}"


def test_a_traceback_that_cannot_be_kept_is_no_error_of_its_own(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    assert exit_code_of(_application(ZeroDivisionError("one")), []) == 1
    assert capsys.readouterr().err == (
        "error: kdeploy failed: ZeroDivisionError: one. The traceback is in no file (No such file or directory). "
        "Please report it.\n"
    )


def test_what_the_system_refuses_is_no_bug(capsys, tmp_path):
    error = OSError(28, "No space left on device", str(tmp_path))
    assert exit_code_of(_application(error), []) == 8
    assert capsys.readouterr().err == (
        f"error: {tmp_path}: must have room on its disk (No space left on device). "
        "Free some space, or raise the limit, and run the same command again; finished work is kept.\n"
    )


def test_a_reader_that_leaves_early_is_no_error():
    process = subprocess.Popen(
        [PROGRAM, "recipes", "schema"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
        env=environment(PYTHONUNBUFFERED="1"),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    complaints = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), complaints) == (0, b"")
