from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from signal import SIGTERM

import numpy as np
import pytest
import torch

from kdeploy.errors import IntegrityError, Interrupted
from kdeploy.labels.pca import Components
from kdeploy.labels.store import Reader
from kdeploy.models import teachers
from kdeploy.records.labels import LabelsRecord
from kdeploy.samples.sampleset import SampleSet
from kdeploy.stages import labels
from kdeploy.system.files import hash_file
from kdeploy.system.progress import Progress
from kdeploy.training.loop import software
from tests.stages.conftest import COUNT, CPU, HALF, VIEWS, Done, classifier, feed, label_header, make_labels


class Interrupting(Progress):
    """A signal during one batch."""

    def __init__(self, batch: int) -> None:
        self.left = batch

    @contextmanager
    def shield(self) -> Iterator[None]:
        yield
        self.left -= 1
        if self.left == 0:
            raise Interrupted("labels", SIGTERM)


def test_every_label_is_what_the_classifier_says_about_that_view(labeled: Done, taught: Done, digits: SampleSet):
    reader, transfer = Reader(labeled.folder, label_header(digits)), digits.transfer
    rows = np.arange(len(transfer))
    for view in range(COUNT):
        expected = classifier(taught.folder).logits(feed(digits, HALF).view(transfer, view)).numpy()
        # float16 has 11 bits
        np.testing.assert_allclose(reader.rows(view, rows), expected, rtol=2**-10, atol=1e-3)
    assert not np.array_equal(reader.rows(0, rows), reader.rows(1, rows))


def test_the_record_counts_rows_and_bytes(labeled: Done, digits: SampleSet):
    record = labeled.record
    assert record.rows == COUNT * len(digits.transfer) == 800
    assert record.bytes == sum(path.stat().st_size for path in labeled.folder.rglob("*.npy"))
    assert record.header_sha256 == hash_file(labeled.folder / "header.json")


def test_agreement_is_on_the_labelled_part_alone(labeled: Done, digits: SampleSet):
    transfer = digits.transfer
    logits = Reader(labeled.folder, label_header(digits)).rows(0, np.arange(len(transfer)))
    known = np.isin(transfer, digits.parts["labeled"])
    right = logits[known].argmax(1) == digits.labels[transfer[known]]
    assert labeled.record.agreement == right.mean()
    assert known.sum() == 150


def test_labels_of_mixtures_have_no_agreement(taught: Done, digits: SampleSet, tmp_path: Path):
    mixed = replace(feed(digits, HALF), views=replace(VIEWS, mixup=1.0), partners=digits.transfer)
    assert make_labels(tmp_path, digits, taught.folder, fed=mixed).agreement is None


def test_interrupted_labelling_goes_on_and_ends_with_the_same_store(
    labeled: Done, taught: Done, digits: SampleSet, tmp_path: Path
):
    # a view of 400 samples is two batches: the third belongs to the second view
    with pytest.raises(Interrupted):
        make_labels(tmp_path, digits, taught.folder, Interrupting(3))
    assert len(list(tmp_path.rglob("*.npy"))) == 1
    resumed = Interrupting(100)
    record = make_labels(tmp_path, digits, taught.folder, resumed)
    assert 100 - resumed.left == 2
    assert record.header_sha256 == labeled.record.header_sha256


LAYER = "features.2"  # of the deep-cnn: ReLU of its first convolution


def _reduced(folder: Path, digits: SampleSet, taught: Path, progress: Progress | None = None) -> LabelsRecord:
    """Labels with seven components of what a layer gives."""
    spec = teachers.TeacherSpec("model", "deep-cnn")
    return labels.run(
        folder,
        header=label_header(digits).model_copy(update={"kind": "features", "features": LAYER, "components": 7}),
        classifier=teachers.classifier(taught, spec, device=CPU, precision="fp32", features=LAYER),
        feed=feed(digits, HALF),
        samples=digits,
        software=software(CPU, "fp32"),
        progress=progress or Progress(),
    )


def test_components_of_a_layer_are_stored_behind_the_logits(
    labeled: Done, taught: Done, digits: SampleSet, tmp_path: Path
):
    _reduced(tmp_path, digits, taught.folder)
    header = label_header(digits).model_copy(update={"kind": "features", "features": LAYER, "components": 7})
    reader, rows = Reader(tmp_path, header), np.arange(len(digits.transfer))
    plain = Reader(labeled.folder, label_header(digits))
    module, kept = (
        teachers.module(taught.folder, teachers.TeacherSpec("model", "deep-cnn")),
        Components.load(tmp_path / labels.COMPONENTS),
    )
    for view in range(COUNT):
        np.testing.assert_array_equal(reader.rows(view, rows), plain.rows(view, rows))
        with torch.inference_mode():
            fed = module.normalise(feed(digits, HALF).view(digits.transfer, view))
            given = module.features[:3](fed).flatten(1)
        found = reader.features(view, rows)
        assert found.shape == (400, 7)
        np.testing.assert_allclose(found, kept.of(given).numpy(), rtol=2**-9, atol=2e-3)
    assert reader.features(0, rows).var(0).mean() == pytest.approx(1.0, rel=1e-2)


def test_interrupted_labelling_goes_on_with_the_same_components(taught: Done, digits: SampleSet, tmp_path: Path):
    whole = _reduced(tmp_path / "whole", digits, taught.folder)
    with pytest.raises(Interrupted):
        _reduced(tmp_path / "parts", digits, taught.folder, Interrupting(3))
    kept = (tmp_path / "parts" / labels.COMPONENTS).stat().st_mtime_ns
    assert _reduced(tmp_path / "parts", digits, taught.folder).header_sha256 == whole.header_sha256
    assert (tmp_path / "parts" / labels.COMPONENTS).stat().st_mtime_ns == kept


def test_blocks_without_their_components_are_not_gone_on_with(taught: Done, digits: SampleSet, tmp_path: Path):
    with pytest.raises(Interrupted):
        _reduced(tmp_path, digits, taught.folder, Interrupting(3))
    path = tmp_path / labels.COMPONENTS
    path.unlink()
    with pytest.raises(IntegrityError) as caught:
        _reduced(tmp_path, digits, taught.folder)
    assert str(caught.value) == (
        f"{path}: must be what the blocks beside it were stored with (there is no such file). "
        "Do it again: kdeploy run RUN --force labels, or remove its folder."
    )
