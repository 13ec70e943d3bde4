"""The machine's peaks: which of the probes are taken."""

from __future__ import annotations

from dataclasses import replace

from kdeploy.timing.analysis.machine_peaks import Peaks, peaks_of
from kdeploy.timing.raw import Probe, Task

CACHES = {"l1d": 2**15, "l2": 2**20, "l3": 2**25}
KERNELS = [
    Probe(1, Task("cache", "read", 1000), 1000, [10, 20]),
    Probe(1, Task("cache", "copy", 1000), 1000, [8]),
    Probe(1, Task("memory", "read", 4000), 4000, [100]),
]


PRODUCTS = [
    Probe(1, Task("product", "openvino", 512), 128, []),
    Probe(1, Task("product", "numpy", 512), 16, [9, 4]),
    Probe(1, Task("product", "onnxruntime", 512), 16, [5]),
    Probe(1, Task("product", "torch", 1024), 128, [30]),
]


def test_the_fastest_run_of_the_fastest_engine_counts() -> None:
    # 128 FLOPs in 30 ns are more than 16 in 4; 1000 bytes in 8 ns more than in 10
    assert peaks_of(KERNELS + PRODUCTS, CACHES) == Peaks(
        flops=128e9 / 30, engine="torch 1024", cache_bandwidth=125e9, memory_bandwidth=40e9, far_bytes=4 * 2**25
    )


def test_without_one_of_the_three_there_are_no_peaks() -> None:
    assert peaks_of(KERNELS, CACHES) is None
    assert peaks_of([*KERNELS[:2], *PRODUCTS], CACHES) is None
    assert peaks_of([*KERNELS, *(replace(probe, ns=[]) for probe in PRODUCTS)], CACHES) is None


def test_before_every_engine_was_tried_at_a_telling_size_there_are_none() -> None:
    """An engine that is not here counts as tried."""
    assert peaks_of([*KERNELS, *PRODUCTS[:3]], CACHES) is None
    small = Probe(1, Task("product", "torch", 256), 128, [30])
    assert peaks_of([*KERNELS, *PRODUCTS[:3], small], CACHES) is None
