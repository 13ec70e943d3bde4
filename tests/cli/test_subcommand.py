"""What is named chooses the subcommand, and options of another one are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy.cli.application import app
from kdeploy.cli.subcommand import completed
from kdeploy.errors import UsageError
from tests.program import inside


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("bench mnist-5k --quick", "bench run mnist-5k --quick"),
        ("bench --quick mnist.yaml", "bench run --quick mnist.yaml"),
        ("bench run mnist-5k", "bench run mnist-5k"),
        ("bench a.onnx b.onnx", "bench models a.onnx b.onnx"),
        ("bench --runtime openvino a.onnx b.onnx", "bench models --runtime openvino a.onnx b.onnx"),
        ("bench a.onnx --vs b.onnx", "bench models a.onnx --vs b.onnx"),
        ("bench a.onnx --vs=b.onnx", "bench models a.onnx --vs=b.onnx"),
        ("bench recompute F --json", "bench recompute F --json"),
        ("bench --json recompute F", "bench recompute --json F"),
        ("bench compare F G", "bench compare F G"),
        ("bench --help", "bench --help"),
        ("bench mnist-5k --help", "bench run mnist-5k --help"),
        ("bench", "bench"),
        ("verify mnist-5k --runs r", "verify run mnist-5k --runs r"),
        ("verify mnist-5k.zip", "verify bundle mnist-5k.zip"),
        ("verify a.onnx b.onnx --inputs F", "verify models a.onnx b.onnx --inputs F"),
        ("verify a.onnx -- b.onnx", "verify models a.onnx -- b.onnx"),
        ("show bench", "show bench"),
        ("", ""),
    ],
)
def test_the_subcommand_follows_from_what_is_named(given: str, wanted: str) -> None:
    assert completed(app, given.split()) == wanted.split()


def test_a_folder_with_a_manifest_is_a_bundle_and_a_file_of_a_runtime_a_model(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").touch()
    (tmp_path / "a.tflite").touch()
    pair = [str(tmp_path), str(tmp_path / "a.tflite")]
    assert completed(app, ["bench", *pair])[1] == "models"
    assert completed(app, ["verify", str(tmp_path)])[1] == "bundle"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            "bench mnist-5k --inputs F",
            "--inputs: must be left out of kdeploy bench run. It is for kdeploy bench models.",
        ),
        (
            "bench mnist-5k --threads=2",
            "--threads: must be left out of kdeploy bench run. It is for kdeploy bench models.",
        ),
        (
            "bench a.onnx b.onnx --set x=1",
            "--set: must be left out of kdeploy bench models. It is for kdeploy bench run.",
        ),
        (
            "bench recompute F --quick",
            "--quick: must be left out of kdeploy bench recompute. "
            "It is for kdeploy bench run and kdeploy bench models.",
        ),
        (
            "verify mnist.zip --runs r",
            "--runs: must be left out of kdeploy verify bundle. It is for kdeploy verify run.",
        ),
    ],
)
def test_an_option_of_another_subcommand_is_a_usage_error(given: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        completed(app, given.split())
    assert str(caught.value) == sentence
    found = inside(*given.split())
    assert (found.code, found.stdout, found.stderr) == (2, "", f"error: {sentence}\n")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("bench a b", "give one run, two models, or one model and --vs"),
        ("bench a.onnx", "give one run, two models, or one model and --vs"),
        ("bench models a.onnx", "give two models, or one model and --vs"),
        ("verify a b", "give one run, one bundle, or only .onnx files"),
        ("verify a.onnx b", "give one run, one bundle, or only .onnx files"),
        ("verify a --inputs F", "--inputs goes with .onnx files: a run has its own test inputs"),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(given: str, message: str) -> None:
    found = inside(*given.split())
    assert (found.code, found.stderr) == (2, f"Invalid value: {message}\nTry: kdeploy --help\n")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("show tiny --batch 2", "--batch: must be left out for a run. It is for .onnx files."),
        ("show a.onnx --data-root d", "--data-root: must be left out for an .onnx file. It is for runs."),
        ("export a.onnx --trust", "--trust: must be left out for an .onnx file. It is for recipes and runs."),
    ],
)
def test_an_option_that_means_nothing_to_what_is_named_is_a_usage_error(given: str, sentence: str) -> None:
    found = inside(*given.split())
    assert (found.code, found.stderr) == (2, f"error: {sentence}\n")
