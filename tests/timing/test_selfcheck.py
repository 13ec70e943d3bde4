"""The benchmark on models whose speed is known, in real processes: what it finds, and what it refuses.

On a machine as busy as it likes, so only medians and codes are asserted; `benchmarks/selfcheck.py` has the full sizes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.spinning_runtime import SPOILED, SpinningModel, comparison, install, spoiled
from kdeploy.records.bench import BenchRecord, Comparison
from kdeploy.system import host
from kdeploy.timing.machine.cpus import bench_cpus
from kdeploy.timing.request import ComparisonRequest, NoiseLimits, Request
from kdeploy.timing.subprocess_run import run_in_fresh_process
from tests.timing.conftest import BLIND, HASTY

BRIEF = HASTY.model_copy(update={"block_ns": 3_000_000})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that makes the runtime known."""
    folder = install(tmp_path_factory.mktemp("spinning"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        yield folder


@pytest.fixture(scope="module")
def refusals(place: Path) -> dict[str, Comparison]:
    """Every kind of spoiled candidate, measured."""
    asked = tuple(spoiled(place, kind) for kind in SPOILED)
    record = run_in_fresh_process(Request(comparisons=asked, settings=BRIEF), place / "out")
    return dict(zip(SPOILED, record.comparison, strict=True))


def measured(place: Path, asked: ComparisonRequest, **settings: object) -> BenchRecord:
    request = Request(comparisons=(asked,), settings=BRIEF.model_copy(update=settings))
    return run_in_fresh_process(request, place / "out")


@contextmanager
def hog() -> Iterator[None]:
    """A process that never rests, on the CPU that is measured."""
    cpu = bench_cpus(host.allowed_cpus(), 1)[0]
    program = f"import os\nos.sched_setaffinity(0, [{cpu}])\nprint(flush=True)\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_model_three_times_as_fast_is_found_to_be_that(place: Path) -> None:
    # beside busy processes a slice is about 3 ms long, so that it ends inside of one call in ten: the middle one of the
    # 30 calls and more of a block is then none of those, as the middle one of three is now and then
    asked = comparison(place / "pair", SpinningModel(300_000), SpinningModel(100_000))
    found = measured(place, asked, looks=(3,), block_ns=10_000_000)
    assert found.comparison[0].ratio is not None
    assert found.comparison[0].ratio.value == pytest.approx(3.0, rel=0.1)
    assert found.arms[0].parity is not None
    assert found.arms[0].parity.passed


@pytest.mark.slow
@pytest.mark.parametrize("kind", SPOILED)
def test_a_spoiled_candidate_is_refused_with_its_code(refusals: dict[str, Comparison], kind: str) -> None:
    claim = refusals[kind].claim
    assert claim.status == "refused"
    assert SPOILED[kind][0] in {reason.code for reason in claim.reasons}


def test_an_honest_candidate_has_none_of_those_codes(place: Path) -> None:
    found = measured(place, comparison(place / "honest", SpinningModel(300_000), SpinningModel(100_000)))
    codes = {reason.code for reason in found.comparison[0].claim.reasons}
    assert codes.isdisjoint(code for code, _ in SPOILED.values())


def test_a_cpu_hog_on_the_cpu_that_is_measured_is_refused(place: Path) -> None:
    limits = BLIND.model_copy(update={"block_wait": NoiseLimits().block_wait, "run_wait": NoiseLimits().run_wait})
    with hog():
        asked = comparison(place / "hog", SpinningModel(300_000), SpinningModel(100_000))
        claim = measured(place, asked, limits=limits, block_ns=30_000_000).comparison[0].claim
    assert claim.status == "refused"
    assert "R07" in {reason.code for reason in claim.reasons}
