"""kdeploy sweep: variants side by side, each a run afterwards, shared work done once."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests import made

RECIPE = """\
name: thirds
data: {numpy: images.npz, split: {labeled: 90, unlabeled: 0, held_out: 30, test: 120}}
teacher: [{model: mlp, hidden: [16], train: {epochs: 20, batch: 30, lr: 1e-2}}]
student: {hidden: [8]}
distill: {epochs: 4, batch: 30, lr: 1e-2, seeds: 2, precision: fp32}
variants:
  logits: {}
  soft: {distill: {loss: soft-targets, temperature: 4, baseline: false}}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    made.images(tmp_path / "images.npz")
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def sweep(command, recipe: Path, *more: str):
    return command("sweep", recipe, "--data-root", recipe.parent, "--runs", recipe.parent / "runs", *more)


def test_every_variant_is_a_row_and_a_run(command, recipe: Path):
    found = sweep(command, recipe, "--json")
    assert found.code == 0, found.stderr
    rows = {row["variant"]: row for row in json.loads(found.stdout)["rows"]}
    assert list(rows) == ["logits", "soft"]
    assert [len(rows[name]["students"]) for name in rows] == [2, 2]
    assert [len(rows[name]["baselines"]) for name in rows] == [2, 0]
    assert [rows[name]["loss"] for name in rows] == ["logit-mse", "soft-targets"]
    # teacher and labels are shared, the students are not
    prints = [rows[name]["fingerprints"] for name in rows]
    assert prints[0]["labels"] == prints[1]["labels"]
    assert prints[0]["distill"] != prints[1]["distill"]
    assert len(list((recipe.parent / "runs" / "teacher").iterdir())) == 1
    again = command("distill", "thirds-soft", "--runs", recipe.parent / "runs", "--json")
    folder = recipe.parent / "runs" / "distill" / prints[list(rows).index("soft")]["distill"]
    for net, row in zip(json.loads(again.stdout)["students"], rows["soft"]["students"], strict=True):
        assert net == {**row, **{key: str(folder / row[key]) for key in ("file", "logits")}}


def test_the_table_has_the_errors_of_every_seed(command, recipe: Path):
    found = sweep(command, recipe, "--only", "soft")
    document = json.loads(sweep(command, recipe, "--only", "soft", "--json").stdout)
    (row,) = document["rows"]
    errors = [round((1 - net["test_accuracy"]) * 120) for net in row["students"]]
    assert f"{sum(errors) / 2:.1f}" in found.stdout
    assert " ".join(map(str, errors)) in found.stdout
    assert "of 120 test inputs; each variant is a run: kdeploy export thirds-soft" in found.stdout


def test_a_variant_that_is_not_there_is_refused(command, recipe: Path):
    assert sweep(command, recipe, "--only", "hard") == (
        3,
        "",
        "error: --only: must be one of logits, soft (hard).\n",
    )


def test_a_recipe_without_variants_is_refused(command, recipe: Path):
    recipe.write_text(RECIPE.partition("variants")[0])
    expected = f"error: {recipe}: must have variants, which a sweep compares (none)."
    advice = " Add variants: {NAME: {SECTION: {KEY: VALUE}}}.\n"
    assert sweep(command, recipe) == (3, "", expected + advice)


def test_a_broken_variant_is_found_before_the_first_is_trained(command, recipe: Path):
    recipe.write_text(RECIPE + "  broken: {distill: {epochs: 0}}\n")
    found = sweep(command, recipe)
    assert (found.code, found.stdout) == (3, "")
    assert found.stderr == f"error: {recipe}:9: distill.epochs must be at least 1 (got 0).\n"
    assert not (recipe.parent / "runs").exists()


def test_its_page_and_a_table_with_a_line_a_variant_are_written(command, recipe: Path):
    found = sweep(command, recipe)
    page, table = (Path(line.partition(": ")[2]) for line in found.stdout.splitlines()[-2:])
    assert (page.name, table.name, page.parent.parent) == (
        "report.html",
        "report.csv",
        recipe.parent / "runs" / "report",
    )
    rows = list(csv.DictReader(table.read_text().splitlines()))
    document = json.loads(sweep(command, recipe, "--json").stdout)
    assert [row["variant"] for row in rows] == ["logits", "soft"]
    for row, variant in zip(rows, document["rows"], strict=True):
        accuracies = [net["test_accuracy"] for net in variant["students"]]
        assert float(row["student_accuracy"]) == sum(accuracies) / 2  # not rounded
        assert row["student_errors_per_seed"] == " ".join(str(round((1 - one) * 120)) for one in accuracies)
        assert float(row["student_errors"]) == sum(map(int, row["student_errors_per_seed"].split())) / 2
    assert (rows[0]["baseline_errors"] == "", rows[1]["baseline_errors"], rows[1]["verdict"]) == (False, "", "")
    assert json.loads((page.parent / "report.json").read_text())["rows"] == document["rows"]
    assert "kdeploy report of 2 runs" in page.read_text()


def test_show_shows_the_sweep_again_and_computes_nothing(command, recipe: Path):
    told = sweep(command, recipe)
    shown = command("show", recipe, "--data-root", recipe.parent, "--runs", recipe.parent / "runs")
    assert shown.code == 0, shown.stderr
    assert shown.stdout.strip() in told.stdout
    assert "thirds: test errors" in shown.stdout
    assert f"next: kdeploy show {recipe} --data-root {recipe.parent} --runs {recipe.parent / 'runs'}" in told.stderr
