"""Students whose transfer set lacks classes, under three biases: none, matched without labels, tuned on the test set.

The last is what Hinton, Vinyals and Dean (2015) did: one number added to the logits of the classes that the recipe
names, the best of a grid on the test labels. It is no result, only what there is to compare theirs with.
"""

from __future__ import annotations

import numpy as np
import sections

from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.samples import SAMPLES

GRID = np.arange(-20, 20.05, 0.1)


def lines(job: Job) -> list[str]:
    """A table for a job whose students have a matched prior; nothing for another."""
    record, samples = job.read(DISTILL), job.samples()
    transfer = job.read(SAMPLES).transfer
    if transfer is None or any(network.prior_bias is None for network in record.students):
        return []
    truth = samples.labels[samples.parts["test"]]
    named = [samples.class_names.index(name) for name in transfer.only or transfer.without]
    watched = np.isin(truth, named)
    rows = []
    for network in record.students:
        logits = np.load(job.folder(DISTILL) / network.logits, allow_pickle=False)
        plain = logits - np.array(network.prior_bias)
        shift = best_shift(plain, truth, named)
        for title, shifted in (
            ("none", plain),
            ("matched, no labels", logits),
            (f"{shift:+.1f} on {', '.join(map(str, named))}, from the test labels", moved(plain, named, shift)),
        ):
            wrong = shifted.argmax(1) != truth
            counts = (str(int(wrong.sum())), f"{100 * wrong.mean():.2f}", str(int(wrong[watched].sum())))
            rows.append((str(network.seed), title, *counts))
    names = ", ".join(samples.class_names[number] for number in named)
    headings = ("seed", "bias", "errors", "errors, %", f"on the {int(watched.sum())} of class {names}")
    return ["The same students under three biases.", "", *sections.table(headings, rows)]


def moved(logits: np.ndarray, classes: list[int], shift: float) -> np.ndarray:
    """Logits, (samples, classes), with a number added to those of some classes."""
    result = logits.copy()
    result[:, classes] += shift
    return result


def best_shift(logits: np.ndarray, truth: np.ndarray, classes: list[int]) -> float:
    """The shift of the grid with the fewest errors, of logits (samples, classes); of equals, the smallest."""

    def wrong(shift: float) -> int:
        return int((moved(logits, classes, shift).argmax(1) != truth).sum())

    return float(min(GRID, key=lambda shift: (wrong(float(shift)), abs(shift))))
