"""labels: the teacher's logits on every view of the transfer set, into the label store."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kdeploy.errors import IntegrityError
from kdeploy.evaluation.logits import BATCH
from kdeploy.labels import pca, store
from kdeploy.models.classifier import Classifier
from kdeploy.records.labels import LabelHeader, LabelsRecord
from kdeploy.records.seal import again
from kdeploy.records.software import ComputedOn
from kdeploy.samples.feed import Feed
from kdeploy.samples.sampleset import SampleSet
from kdeploy.system.files import hash_file
from kdeploy.system.malloc import keeping_pages
from kdeploy.system.progress import Progress

COMPONENTS = "components.safetensors"

Answer = Callable[[Tensor], Tensor]  # preprocessed inputs in, (batch, classes + width) out


def run(
    folder: Path,
    *,
    header: LabelHeader,
    classifier: Classifier,
    feed: Feed,
    samples: SampleSet,
    software: ComputedOn,
    progress: Progress,
) -> LabelsRecord:
    """Fill the store in `folder`, on from what is there.

    Args:
        header: what the store will hold, without blocks.
        feed: the transfer set as the teacher reads it.
    """
    transfer, started = samples.transfer, time.monotonic_ns()
    answer: Answer = classifier.logits_and_features if header.kind == "features" else classifier.logits
    if header.components is not None:
        with keeping_pages():
            classes = len(header.class_names)
            answer = _reduced(folder, header.components, classes, answer=answer, feed=feed, transfer=transfer)

    def label(view: int, start: int, stop: int) -> np.ndarray:
        # one array for all: small ones that stay would lie between the batches that go, and the memory with them
        block_rows: np.ndarray | None = None
        for first in range(start, stop, BATCH):
            indices = transfer[first : min(stop, first + BATCH)]
            with progress.shield():
                rows = answer(feed.view(indices, view)).numpy()
            if block_rows is None:
                block_rows = np.empty((stop - start, rows.shape[1]), np.float32)
            block_rows[first - start :][: len(indices)] = rows
        assert block_rows is not None  # a block has rows
        return block_rows

    with keeping_pages():
        written = store.write(folder, header, label, progress)
    first = store.Reader(folder, header).rows(0, np.arange(len(transfer)))
    return LabelsRecord(
        header_sha256=hash_file(folder / store.HEADER),
        rows=sum(block.rows for block in written.blocks),
        bytes=sum(block.bytes for block in written.blocks),
        # a mixture of two samples has no one true label
        agreement=None if feed.mixes else samples.kind.quality(first, samples.labels[transfer]),
        duration_ns=time.monotonic_ns() - started,
        software=software,
    )


def _reduced(folder: Path, count: int, classes: int, *, answer: Answer, feed: Feed, transfer: np.ndarray) -> Answer:
    """An answer with the logits, and behind them `count` principal components of the features, kept in the folder.

    Raises: IntegrityError when blocks were stored with components that are not there any more.
    """
    path = folder / COMPONENTS
    if not path.is_file():
        if (folder / store.HEADER).is_file():
            raise IntegrityError(
                str(path),
                "must be what the blocks beside it were stored with",
                got="there is no such file",
                advice=again("labels"),
            )
        pca.fit(_features(answer, feed, transfer, classes, count), count).save(path)
    components = pca.Components.load(path)

    def reduced(batch: Tensor) -> Tensor:
        outputs = answer(batch)
        return torch.cat([outputs[:, :classes], components.of(outputs[:, classes:])], 1)

    return reduced


def _features(answer: Answer, feed: Feed, transfer: np.ndarray, classes: int, count: int) -> Tensor:
    """Features of samples of the first view, spread evenly over the transfer set: float32 (samples, width)."""
    width = answer(feed.view(transfer[:1], 0)).shape[1] - classes
    needed = pca.samples_needed(width, count, len(transfer))
    indices = transfer[np.linspace(0, len(transfer) - 1, needed).astype(int)]
    features = torch.empty(needed, width)
    for first in range(0, needed, BATCH):
        features[first : first + BATCH] = answer(feed.view(indices[first : first + BATCH], 0))[:, classes:]
    return features
