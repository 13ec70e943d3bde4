"""Initial weights that depend on a seed and on nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """Inside, torch draws what it draws from this seed on; outside, as if nothing had been drawn. CPU alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
