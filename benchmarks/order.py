"""The networks of a sweep in the order of Ba and Caruana's table (2014): shallow on labels, with dropout, deep, mimic.

For sweeps of which a variant gives the student dropout. Classes that are states of phones (`aa 0`, `aa 1`, ...) are
scored as phones too, those of TIMIT as the 39 of Lee and Hon; the frames of q are left out then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import numpy as np
import sections

from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.samples.speech import phones


class Row(NamedTuple):
    """Test logits, (samples, classes), of networks of one kind, one a seed."""

    title: str
    variant: str
    logits: list[np.ndarray]


def lines(jobs: Mapping[str, Job]) -> list[str]:
    """The table of some variants; nothing for a sweep in which nothing has dropout."""
    if not any(job.recipe.student.dropout for job in jobs.values()):
        return []
    samples = next(iter(jobs.values())).samples()
    truth, names = samples.labels[samples.parts["test"]], samples.class_names
    table = phone_of(names)
    scores = {"errors, %": lambda found: 100 * (found.argmax(1) != truth).mean()}
    if table is not None:
        scores["of phones, %"] = lambda found: phone_errors(found, truth, table)
    rows = sorted(_rows(jobs), key=lambda row: -fmean(map(scores["errors, %"], row.logits)))
    headings = ("net, the worst first", "variant", *(heading for score in scores for heading in (score, "each seed")))
    cells = [
        (row.title, row.variant, *(text for score in scores.values() for text in _mean(map(score, row.logits))))
        for row in rows
    ]
    return [f"Test errors of {len(truth):,} inputs of {len(names)} classes.", "", *sections.table(headings, cells)]


def phone_of(names: Sequence[str]) -> np.ndarray | None:
    """The number of the phone of each class, int64 (classes,), -1 for one that is not scored; None without states."""
    split = [name.rsplit(" ", 1) for name in names]
    if not all(len(words) == 2 and words[1].isdecimal() for words in split):
        return None
    phones_of_classes = [words[0] for words in split]
    scored = (
        [phones.folded(phone) for phone in phones_of_classes]
        if set(phones_of_classes) <= set(phones.PHONES)
        else phones_of_classes
    )
    numbers = {phone: number for number, phone in enumerate(dict.fromkeys(filter(None, scored)))}
    return np.array([numbers.get(phone, -1) for phone in scored])


def phone_errors(logits: np.ndarray, truth: np.ndarray, table: np.ndarray) -> float:
    """Percent of the frames whose most probable state is none of the right phone.

    Args:
        logits: (frames, classes).
        truth: int64 (frames,), classes.
        table: int64 (classes,), as `phone_of` gives it.
    """
    kept = table[truth] >= 0
    return float(100 * (table[logits.argmax(1)] != table[truth])[kept].mean())


def _rows(jobs: Mapping[str, Job]) -> Iterable[Row]:
    for variant, job in jobs.items():
        record = job.read(DISTILL)
        for title, networks in (("shallow on labels", record.baselines), ("mimic", record.students)):
            if networks:
                yield Row(title, variant, [_load(job.folder(DISTILL) / network.logits) for network in networks])
    first = next(iter(jobs.values()))
    teachers = [_load(first.folder(name) / "test_logits.npy") for name in first.members(TEACHER)]
    yield Row("deep on labels, each teacher", "-", teachers)
    if len(teachers) > 1:
        yield Row(f"the {len(teachers)} teachers together", "-", [_load(first.folder(TEACHER) / "test_logits.npy")])


def _load(path: Path) -> np.ndarray:
    return np.load(path, allow_pickle=False)


def _mean(values: Iterable[float]) -> tuple[str, str]:
    figures = list(values)
    return f"{fmean(figures):.2f}", " ".join(f"{value:.2f}" for value in figures)
