"""Inputs that nobody labelled go all the way: the teacher says what is right, and nothing is said about accuracy."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import made
from tests.program import Outcome, inside, python

BRIEF = """\
export: {bottleneck: factored, formats: [onnx]}
bench: {replicates: 2, max_seconds: 1}
"""


def _data(folder: Path, kind: str) -> Path:
    """The same pictures without any label, in an archive or in a folder."""
    pixels = np.load(made.images(folder / "labelled.npz"))["x"]
    if kind == "no y":
        np.savez(folder / "data.npz", x=pixels)
        return folder / "data.npz"
    (folder / "pictures").mkdir()
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / "pictures" / f"{number:03}.png")
    return folder / "pictures"


def _drafted(folder: Path, kind: str, *more: str) -> Outcome:
    teacher = made.linear(folder / "teacher.onnx", (1, 8, 8))
    data, recipe = _data(folder, kind), folder / "recipe.yaml"
    places = ("--teacher", teacher, "--data", data, "--data-root", folder, "--out", recipe)
    drafted = inside("init", *places, "--no-time", "--json")
    assert drafted.code == 0, drafted
    changes = {"seeds: 3": "seeds: 1", "min_agreement: 90": "min_agreement: 50", "epochs: 32": "epochs: 60, batch: 20"}
    text = recipe.read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    recipe.write_text(text + BRIEF)
    return inside("run", recipe, "--data-root", folder, "--runs", folder / "runs", "--json", *more)


@pytest.mark.parametrize("kind", ["no y", "pictures"])
def test_a_draft_of_unlabelled_inputs_runs_to_a_bundle_that_says_nothing_of_accuracy(tmp_path: Path, kind: str) -> None:
    outcome = _drafted(tmp_path, kind)
    assert outcome.code == 0, outcome
    found = outcome.document
    assert found["samples"] == {"labeled": 0, "unlabeled": 172, "held_out": 20, "test": 48}
    assert (found["baseline"], found["gap"], found["drop_points"]) == (None, None, None)
    for model in ("teacher", "student"):
        assert (found[model]["test_accuracy"], found[model]["parameters"] > 0) == (None, True)
    assert found["verdict"]["status"] == "NO EVIDENCE"
    assert found["verdict"]["reason"] == "without labels nothing can be said about accuracy"
    agreement = found["agreement"]
    assert agreement["inputs"] == 48
    assert agreement["interval"][0] < agreement["agreed"] / 48 <= agreement["interval"][1]
    [result] = found["gate"]
    assert (result["key"], result["required"], result["passed"]) == ("min_agreement", 50, True)
    bundle = tmp_path / "runs" / found["bundle"]
    assert python(bundle / "verify.py").code == 0
    assert json.loads((bundle / "labels.json").read_text()) == ["0", "1", "2"]
    assert _on_accuracy((bundle / "README.md").read_text()) == set()
    [page] = (tmp_path / "runs").glob("report/*/report.html")
    text, _, _ = page.read_text().partition("The recipe, with its defaults")
    text = re.sub(r"<(style|svg).*?</\1>|<[^>]+>", "\n", text, flags=re.S)
    assert _on_accuracy(text) == {"without labels nothing can be said about accuracy"}
    assert "Nothing is labelled: the teacher says what is right." in text
    shown = inside("run", tmp_path / "recipe.yaml", "--data-root", tmp_path, "--runs", tmp_path / "runs")
    assert _on_accuracy(shown.stdout) == {"without labels nothing can be said about accuracy"}
    assert "agreement with the teacher" in shown.stdout


def _on_accuracy(text: str) -> set[str]:
    """What a text says about accuracy, from the last stop or bracket to the next."""
    return {found.strip().lower() for found in re.findall(r"[^.()\n]*accura[^.()\n]*", text, flags=re.I)}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            "gate: {max_drop: 1}",
            "error: gate.max_drop: must be left out where nothing is labelled, as accuracy is not known then (1). Ask "
            "for gate.min_agreement.\n",
        ),
        (
            "data: {numpy: data.npz, split: {labeled: 20}}",
            "error: DATA: split.labeled: must be left out where nothing is labelled (20). Leave it out, or give the "
            "labels.\n",
        ),
        (
            "teacher: [{model: deep-cnn}]",
            "error: teacher[0].model: must be left out where nothing is labelled, as a built-in teacher learns from "
            "labels (deep-cnn). Name a trained teacher: onnx, torch, run, timm, torchvision or huggingface.\n",
        ),
    ],
)
@pytest.mark.parametrize("verb", ["plan", "run"])
def test_what_only_labels_can_say_is_refused_before_anything_is_trained(
    tmp_path: Path, verb: str, change: str, sentence: str
) -> None:
    made.linear(tmp_path / "teacher.onnx", (1, 8, 8))
    _data(tmp_path, "no y")
    lines = {"data": "data: {numpy: data.npz}", "teacher": "teacher: [{onnx: teacher.onnx}]", "gate": ""}
    lines[change.partition(":")[0]] = change
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("\n".join(["name: none", *lines.values(), "student: {hidden: [16]}", "distill: {seeds: 1}", ""]))
    outcome = inside(verb, recipe, "--data-root", tmp_path, "--runs", tmp_path / "runs")
    assert outcome.stderr.replace(str(tmp_path / "data.npz"), "DATA").endswith(sentence), outcome
    assert outcome.code == 3
    assert not list((tmp_path / "runs").glob("teacher/*"))
