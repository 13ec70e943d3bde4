"""labels: the teacher's logits on every view of the transfer set, into the label store."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from kdeploy import labelstore
from kdeploy.allocator import keeping_pages
from kdeploy.evaluation import BATCH, accuracy
from kdeploy.models.adapters import Classifier
from kdeploy.progress import Progress
from kdeploy.records.labels import LabelHeader, LabelsRecord
from kdeploy.records.software import Software
from kdeploy.samples.feed import Feed
from kdeploy.samples.sampleset import SampleSet
from kdeploy.store import hash_file


def run(
    folder: Path,
    *,
    header: LabelHeader,
    classifier: Classifier,
    feed: Feed,
    samples: SampleSet,
    software: Software,
    progress: Progress,
) -> LabelsRecord:
    """Fill the store in `folder`, on from what is there.

    Args:
        header: what the store will hold, without blocks.
        feed: the transfer set as the teacher reads it.
    """
    transfer, started = samples.transfer, time.monotonic_ns()
    answer = classifier.logits_and_features if header.kind == "features" else classifier.logits

    def label(view: int, start: int, stop: int) -> np.ndarray:
        # one array for all: small ones that stay would lie between the batches that go, and the memory with them
        found: np.ndarray | None = None
        for first in range(start, stop, BATCH):
            indices = transfer[first : min(stop, first + BATCH)]
            with progress.shield():
                rows = answer(feed.view(indices, view)).numpy()
            if found is None:
                found = np.empty((stop - start, rows.shape[1]), np.float32)
            found[first - start :][: len(indices)] = rows
        assert found is not None  # a block has rows
        return found

    with keeping_pages():
        written = labelstore.write(folder, header, label, progress)
    first = labelstore.Reader(folder, header).rows(0, np.arange(len(transfer)))
    known = samples.labels[transfer] >= 0
    return LabelsRecord(
        header_sha256=hash_file(folder / labelstore.HEADER),
        rows=sum(block.rows for block in written.blocks),
        bytes=sum(block.bytes for block in written.blocks),
        # a mixture of two samples has no one true label
        agreement=None if feed.mixes else accuracy(first[known], samples.labels[transfer][known]),
        duration_ns=time.monotonic_ns() - started,
        software=software,
    )
