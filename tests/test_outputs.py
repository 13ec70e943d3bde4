"""Real data of other kinds than classes, from the recipe to a bundle that is verified and asked."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from onnx.helper import make_node

from tests import made
from tests.program import REPOSITORY, Outcome, inside, python

DATA = Path(os.environ.get("KDEPLOY_DATA", REPOSITORY.parent / "shared" / "data"))
LEVELS = {
    "cut": ["Fair", "Good", "Very Good", "Premium", "Ideal"],
    "color": list("JIHGFED"),
    "clarity": ["I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"],
}
SHORT = """\
student: {bottleneck: 8, hidden: [64]}
export: {bottleneck: factored, formats: [onnx, "onnxruntime:int8"], max_int8_drop: 100}
bench: {replicates: 2, max_seconds: 1}
"""


def _file(*names: str) -> Path:
    if not DATA.joinpath(*names).is_file():
        pytest.skip("KDEPLOY_DATA names no folder of data here")
    return DATA.joinpath(*names)


def _diamonds(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Nine numbers of some diamonds, and their prices in dollars."""
    with _file("diamonds", "diamonds.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    rows = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))[:count]]
    numbers = [
        [LEVELS[key].index(value) if key in LEVELS else float(value) for key, value in row.items() if key != "price"]
        for row in rows
    ]
    return np.array(numbers, np.float32), np.array([float(row["price"]) for row in rows], np.float32)


def _regressor(path: Path, x: np.ndarray, y: np.ndarray) -> Path:
    """Ridge regression on 200 random ReLUs, as a graph that answers in dollars."""
    draws = np.random.default_rng(1)
    inner = draws.normal(size=(x.shape[1], 200)) / (3 * x.std(0)[:, None])
    weights, bias = inner.astype(np.float32), (draws.normal(size=200) - x.mean(0) @ inner).astype(np.float32)
    hidden = np.maximum(x @ weights + bias, 0).astype(np.float64)
    design = np.concatenate([hidden, np.ones((len(x), 1))], 1)
    found = np.linalg.solve(design.T @ design + np.eye(201), design.T @ y)
    nodes = [
        make_node("Gemm", ["x", "w", "b"], ["h"]),
        make_node("Relu", ["h"], ["r"]),
        make_node("Gemm", ["r", "u", "c"], ["y"]),
    ]
    outer = {"u": found[:200, None].astype(np.float32), "c": found[200:].astype(np.float32)}
    return made.graph(path, nodes, (x.shape[1],), 1, w=weights, b=bias, **outer)


def _run(folder: Path, recipe: str) -> Outcome:
    path = folder / "recipe.yaml"
    path.write_text(recipe + SHORT)
    return inside("run", path, "--data-root", folder, "--runs", folder / "runs", "--json")


def _text(folder: Path) -> str:
    """What a reader of the page sees before the recipe."""
    [page] = (folder / "runs").glob("report/*/report.html")
    text, _, _ = page.read_text().partition("The recipe, with its defaults")
    return re.sub(r"<(style|svg).*?</\1>|<[^>]+>", "\n", text, flags=re.S)


def test_a_price_is_learned_from_an_onnx_regressor_and_answered_in_dollars(tmp_path: Path):
    x, price = _diamonds(4000)
    np.savez(tmp_path / "diamonds.npz", x=x, price=price)
    _regressor(tmp_path / "teacher.onnx", x[:2000], price[:2000])
    outcome = _run(
        tmp_path,
        "name: diamonds\n"
        "data: {numpy: diamonds.npz, y: price, split: {labeled: 1000, unlabeled: 1700, held_out: 300, test: 1000}}\n"
        "outputs: values\n"
        "teacher: [{onnx: teacher.onnx}]\n"
        "distill: {epochs: 30, batch: 64, seeds: 1, curve: true}\n"
        "gate: {max_drop: 5, min_agreement: 90}\n",
    )
    assert outcome.code == 0, outcome
    found = outcome.document
    assert found["outputs"] == "values"
    teacher, student = found["teacher"], found["student"]
    assert 0.85 < teacher["test_accuracy"] < 1
    assert student["test_accuracy"] > 0.85
    assert 200 < student["others"]["MAE"] < student["others"]["RMSE"] < 1600  # dollars
    agreement = found["agreement"]
    assert agreement["agreed"] is None
    assert agreement["interval"][0] < agreement["share"] < agreement["interval"][1] < 1
    assert {row["flips"] for row in found["parity"]} == {0}
    assert [result["text"].partition(" of what")[0] for result in found["gate"][1:]] == [
        f"explains {100 * agreement['share']:.4g} % of the variance"
    ]
    bundle = tmp_path / "runs" / found["bundle"]
    assert python(bundle / "verify.py").code == 0
    np.save(tmp_path / "some.npy", x[:3])
    answer = json.loads(python(bundle / "predict.py", tmp_path / "some.npy", "--json").stdout)["results"]
    prices = [one["values"] for one in answer]
    assert [[value["label"] for value in values] for values in prices] == [["price"]] * 3
    assert np.allclose([values[0]["value"] for values in prices], price[:3], atol=4000)
    lines = python(bundle / "predict.py", tmp_path / "some.npy").stdout.splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == [f"price {values[0]['value']:.6g}" for values in prices]
    assert "1 value, in its own unit: price" in (bundle / "README.md").read_text()
    text = _text(tmp_path)
    assert "Test R^2" in text
    assert "RMSE" in text
    assert re.findall(r"(?i)\w* ?accura\w*|\w* ?class\w*|cross-entropy", text) == []


def test_several_labels_at_once_are_learned_and_answered_by_name(tmp_path: Path):
    rows = [
        np.loadtxt(_file("scene", f"{part}.csv"), np.float32, delimiter=",", skiprows=1) for part in ("train", "test")
    ]
    names = ["Beach", "Sunset", "FallFoliage", "Field", "Mountain", "Urban"]
    arrays = {"x": rows[0][:, :-6], "y": rows[0][:, -6:], "x_test": rows[1][:, :-6], "y_test": rows[1][:, -6:]}
    np.savez(tmp_path / "scene.npz", **arrays, classes=np.array(names))
    outcome = _run(
        tmp_path,
        "name: scene\n"
        "data: {numpy: scene.npz, split: {labeled: 900, unlabeled: 200}}\n"
        "outputs: labels\n"
        "teacher: [{model: mlp, hidden: [64], train: {steps: 200}}]\n"
        "distill: {epochs: 20, batch: 64, seeds: 1, loss: binary, temperature: 2, hard_weight: 0.1}\n"
        "gate: {min_agreement: 85}\n",
    )
    assert outcome.code == 0, outcome
    found = outcome.document
    assert found["student"]["test_accuracy"] > 0.6  # chance is 0.18
    assert 0.5 < found["student"]["others"]["micro-F1"] < 1
    bundle = tmp_path / "runs" / found["bundle"]
    assert python(bundle / "verify.py").code == 0
    np.save(tmp_path / "some.npy", arrays["x_test"][:5])
    results = json.loads(python(bundle / "predict.py", tmp_path / "some.npy", "--json").stdout)["results"]
    for result in results:
        assert [one["label"] for one in result["labels"]] == names
        assert [one["holds"] for one in result["labels"]] == [logit > 0 for logit in result["logits"]]
        assert [one["probability"] > 0.5 for one in result["labels"]] == [logit > 0 for logit in result["logits"]]
    text = _text(tmp_path)
    assert "Test mean average precision" in text
    assert re.findall(r"(?i)accura\w*|\bclass\w*", text) == []


def test_targets_that_are_none_are_refused_before_anything_is_trained(tmp_path: Path):
    np.savez(tmp_path / "d.npz", x=np.zeros((30, 4), np.float32), y=np.array([0.0, 2.0, 1.0] * 10))
    made.linear(tmp_path / "teacher.onnx", (4,))
    recipe = "name: r\ndata: {numpy: d.npz}\nteacher: [{onnx: teacher.onnx}]\noutputs: labels\n"
    outcome = _run(tmp_path, recipe)
    assert outcome.code == 3
    assert outcome.document["error"]["message"] == (
        f"{tmp_path}/d.npz: y: row 1: must have 0 or 1 for each label, or NaN where it is not known (2)."
    )
