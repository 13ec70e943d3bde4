"""Two ways to do the same work, timed in turns in one process.

    round    A B B A: what drifts over a round hits both arms alike
    ratio    (B + B) / (A + A), seconds of the bare arm over seconds of the product: 1 is no overhead, 0.9 a ninth more
    result   the median over the rounds with its order-statistic interval (kdeploy/timing/analysis/statistics.py)

On a busy machine pin the process to one core and count its own time: `taskset -c 1 python benchmarks/SCRIPT.py --clock
cpu`.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import time
from collections.abc import Callable

import torch

from kdeploy.system import host
from kdeploy.timing.analysis.statistics import Estimate, ratio_estimate

LEVEL = 0.95
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}

Clock = Callable[[], float]
Arm = Callable[[], float]  # does its work once; the seconds that count


def options(description: str, *, rounds: int) -> argparse.ArgumentParser:
    """A parser with the options that every script takes."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--rounds", type=int, default=rounds)
    made.add_argument("--clock", choices=list(CLOCKS), default="wall", help="cpu: of this process, on a busy machine")
    return made


def compare(product: Arm, bare: Arm, rounds: int) -> Estimate:
    """How fast the product is, as a part of the bare way; both do their work once before anything counts."""
    product(), bare()
    logs = []
    for _ in range(rounds):
        first, second, third, fourth = product(), bare(), bare(), product()
        logs.append(math.log((second + third) / (first + fourth)))
    return ratio_estimate(logs, LEVEL)


def shown(name: str, estimate: Estimate, rounds: int, at_least: float) -> str:
    """The estimate of one case as a line."""
    interval = "too few rounds for an interval"
    if estimate.interval is not None:
        interval = f"{LEVEL:.0%} interval {estimate.interval[0]:.3f} to {estimate.interval[1]:.3f}"
    return f"{name:44}  {estimate.value:.3f}  ({interval}, {rounds} rounds; asked for: {at_least})"


def head() -> str:
    """A line on the machine that this was measured on."""
    return (
        f"{host.cpu_model() or platform.machine()}, {len(os.sched_getaffinity(0))} core(s) allowed, "
        f"{torch.get_num_threads()} thread(s), load {os.getloadavg()[0]:.1f}, torch {torch.__version__}"
    )
