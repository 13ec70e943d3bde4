"""ensemble: several measured teachers as one, by `kdeploy.models.ensemble`; no network is run."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from kdeploy.errors import ModelError
from kdeploy.labels.store import Labels
from kdeploy.models.ensemble import Rule, combine
from kdeploy.records.labels import LabelsRecord
from kdeploy.records.software import ComputedOn
from kdeploy.records.teacher import Combination, Member, TeacherRecord
from kdeploy.samples.sampleset import SampleSet


def teacher(
    folder: Path,
    *,
    members: Sequence[tuple[Path, TeacherRecord]],
    rule: Rule,
    samples: SampleSet,
    software: ComputedOn,
) -> TeacherRecord:
    """Combine the logits that the members gave on the test and the held-out part.

    Args:
        members: the folder and the record of each.
    Raises: ModelError when two members are not fed the same.
    """
    records = [record for _, record in members]
    _must_read_the_same(records)
    kind, qualities, others = samples.kind, dict[str, float | None](), dict[str, float]()
    for part in ("test", "held_out"):
        member_logits = np.stack([np.load(place / f"{part}_logits.npy", allow_pickle=False) for place, _ in members])
        logits = combine(torch.from_numpy(member_logits), rule).numpy()
        np.save(folder / f"{part}_logits.npy", logits)
        targets = samples.labels[samples.parts[part]]
        qualities[part] = kind.quality(logits, targets)
        others = others or kind.others(logits, targets)  # those of the test part, which is the first
    return TeacherRecord(
        origin="ensemble",
        name=name_of(record.name for record in records),
        file="",
        sha256=_hash(record.sha256 for record in records),
        preprocessing=records[0].preprocessing,
        class_names=records[0].class_names,
        parameters=sum(record.parameters for record in records),
        test_accuracy=qualities["test"],
        held_out_accuracy=qualities["held_out"],
        training=None,
        software=software,
        ensemble=Combination(
            mean=rule.mean,
            weights=rule.weights,
            members=tuple(Member.model_validate(record.model_dump()) for record in records),
        ),
        others=others,
        outputs=samples.outputs,
        assumed=tuple(line for record in records for line in record.assumed),
    )


def labels(records: Sequence[LabelsRecord], stores: Labels, samples: SampleSet, *, mixed: bool) -> LabelsRecord:
    """One record for the members' label stores; these stay where they are and are combined when they are read."""
    transfer = samples.transfer
    mask = samples.kind.known(samples.labels[transfer])
    first = stores.rows(0, np.flatnonzero(mask))
    return LabelsRecord(
        header_sha256=_hash(record.header_sha256 for record in records),
        rows=sum(record.rows for record in records),
        bytes=sum(record.bytes for record in records),
        agreement=None if mixed else samples.kind.quality(first, samples.labels[transfer][mask]),
        duration_ns=sum(record.duration_ns for record in records),
        software=records[0].software,
    )


def name_of(names: Iterable[str]) -> str:
    """The name of an ensemble, as `2 x deep-cnn + teacher.onnx`."""
    return " + ".join(name if count == 1 else f"{count} x {name}" for name, count in Counter(names).items())


def _must_read_the_same(records: Sequence[TeacherRecord]) -> None:
    """Raises: ModelError when two members are fed differently; they become one graph with one input."""
    first = records[0]
    for number, record in enumerate(records):
        ours, theirs = first.preprocessing.model_dump(), record.preprocessing.model_dump()
        differ = [f"{key} {theirs[key]} instead of {ours[key]}" for key in ours if ours[key] != theirs[key]]
        if differ:
            raise ModelError(
                f"teacher[{number}] ({record.name})",
                f"must have the preprocessing of teacher[0] ({first.name}), to be exported with it as one graph",
                got="; ".join(differ),
                advice="Put what differs into the model, and leave preprocess out.",
            )


def _hash(hashes: Iterable[str]) -> str:
    """SHA-256 over the members' own, in order."""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()
