"""Parts from different sources in one set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdeploy.errors import DataError
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.sources import content_hash, load

X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
Y = np.arange(60) % 3
NAMES = np.array(["ant", "bee", "cat"])


def saved(folder: Path, name: str, **arrays: Any) -> dict[str, Any]:
    np.savez(folder / f"{name}.npz", **arrays)
    return {"numpy": str(folder / f"{name}.npz")}


def main(folder: Path, **more: Any) -> dict[str, Any]:
    return saved(folder, "main", x=X, y=Y, classes=NAMES) | more


def others(count: int, *, start: float = 100.0) -> np.ndarray:
    return np.arange(count * 3, dtype=np.float32).reshape(count, 3) + np.float32(start)


def part(samples: SampleSet, name: str) -> list[list[float]]:
    return samples.inputs["x"][samples.parts[name]].tolist()


def refused(settings: dict[str, Any], **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(settings, **options)
    return str(caught.value)


def test_an_unlabelled_part_of_its_own_leaves_the_main_source_labelled(tmp_path: Path):
    unlabeled = saved(tmp_path, "more", y=np.full(8, -1), x=others(8))
    samples = load(main(tmp_path, unlabeled=unlabeled), split={"held_out": 6, "test": 12})
    assert samples.record.counts == {"labeled": 42, "unlabeled": 8, "held_out": 6, "test": 12}
    assert part(samples, "unlabeled") == others(8).tolist()
    assert samples.record.source == {"numpy": "main.npz", "unlabeled": "numpy more.npz"}


def test_a_labelled_count_is_kept_and_the_rest_left_out(tmp_path: Path):
    unlabeled = saved(tmp_path, "more", y=np.full(8, -1), x=others(8))
    samples = load(main(tmp_path, unlabeled=unlabeled), split={"labeled": 9, "unlabeled": 5, "held_out": 6, "test": 12})
    assert samples.record.counts == {"labeled": 9, "unlabeled": 5, "held_out": 6, "test": 12}
    assert len(samples) == 32


def test_labels_of_an_unlabelled_part_are_hidden_and_may_be_chosen_by(tmp_path: Path):
    more = saved(tmp_path, "more", y=np.array([0, 1, 0, 1, 2]), x=others(5), classes=np.array(["cat", "bee", "ant"]))
    samples = load(main(tmp_path, unlabeled=more), split={"test": 12, "held_out": 6}, transfer={"only": ["ant"]})
    assert (samples.labels[samples.parts["unlabeled"]] == -1).all()
    chosen = np.intersect1d(samples.transfer, samples.parts["unlabeled"])
    assert samples.inputs["x"][chosen].tolist() == others(5)[4:].tolist()


def test_classes_are_matched_by_name(tmp_path: Path):
    test = saved(tmp_path, "test", y=np.array([0, 1, 1]), x=others(3), classes=np.array(["cat", "ant"]))
    samples = load(main(tmp_path, test=test), split={"held_out": 6})
    assert samples.labels[samples.parts["test"]].tolist() == [2, 0, 0]
    assert part(samples, "test") == others(3).tolist()
    assert sum(samples.record.counts.values()) == 63  # all rows of the main source are for the other parts


def test_a_test_part_takes_the_test_rows_of_its_source(tmp_path: Path):
    own = saved(tmp_path, "own", y=Y[:9], x=others(9), y_test=Y[:6], x_test=others(6, start=500), classes=NAMES)
    assert part(load(main(tmp_path, test=own)), "test") == others(6, start=500).tolist()
    assert part(load(main(tmp_path, held_out=own)), "held_out") == others(9).tolist()


def test_a_source_that_says_its_parts_gives_the_part_that_is_asked_for(tmp_path: Path):
    own = saved(tmp_path, "own", y=Y[:4], x=others(4), part=np.array(["test", "labeled", "held_out", "test"]))
    classes = saved(tmp_path, "main", x=X, y=Y)
    assert part(load(classes | {"test": own}), "test") == others(4)[[0, 3]].tolist()
    given = saved(tmp_path, "given", x=X[:6], y=Y[:6], part=np.array(["labeled", "test", "held_out"] * 2))
    samples = load(given | {"test": own})
    assert samples.record.counts == {"labeled": 2, "unlabeled": 0, "held_out": 2, "test": 2}


def test_a_count_of_a_part_of_its_own_holds_every_class_in_proportion(tmp_path: Path):
    own = saved(tmp_path, "own", x=X, y=Y, classes=NAMES)
    samples = load(main(tmp_path, test=own), split={"test": 30})
    assert np.bincount(samples.labels[samples.parts["test"]]).tolist() == [10, 10, 10]
    assert refused(main(tmp_path, test=own), split={"test": 61}) == (
        f"{tmp_path / 'own.npz'}: split.test: must leave at least 61 samples for this part (60). Ask for fewer samples."
    )


def test_a_class_that_the_main_source_has_not_is_refused_but_where_it_is_hidden(tmp_path: Path):
    own = saved(tmp_path, "own", y=np.array([1, 0]), x=others(2), classes=np.array(["dog", "ant"]))
    must = "must have samples of the classes of the labelled part only"
    assert refused(main(tmp_path, held_out=own)) == f"data.held_out: {must} (dog)."
    nameless = saved(tmp_path, "own", y=np.array([-1, 0]), x=others(2))
    assert refused(main(tmp_path, test=nameless)) == f"data.test: {must} (no label)."
    assert load(main(tmp_path, unlabeled=own)).record.counts["unlabeled"] == 2


def test_a_single_input_may_have_another_name(tmp_path: Path):
    own = saved(tmp_path, "own", y=np.full(2, -1), sound=others(2))
    assert part(load(main(tmp_path, unlabeled=own)), "unlabeled") == others(2).tolist()


@pytest.mark.parametrize(
    ("arrays", "got"),
    [
        ({"x": np.zeros((2, 4))}, "x: array float32 (4,)"),
        ({"x": np.zeros((2, 4, 4), np.uint8)}, "x: image uint8 (1, 4, 4)"),
        ({"x": np.zeros((2, 3)), "z": np.zeros((2, 1))}, "x: array float32 (3,), z: array float32 (1,)"),
    ],
)
def test_inputs_of_another_likeness_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], got: str):
    own = saved(tmp_path, "own", y=np.full(2, -1), **arrays)
    assert refused(main(tmp_path, unlabeled=own)) == (
        f"data.unlabeled: must have inputs like the labelled part's, x: array float32 (3,) ({got})."
    )


def test_the_content_hash_is_over_all_sources_and_their_parts(tmp_path: Path):
    more = saved(tmp_path, "more", y=Y[:6], x=others(6), classes=NAMES)
    settings = [main(tmp_path), main(tmp_path, test=more), main(tmp_path, held_out=more), more]
    assert len({content_hash(one) for one in settings}) == 4
    assert load(settings[1]).record.content_sha256 == content_hash(settings[1])
