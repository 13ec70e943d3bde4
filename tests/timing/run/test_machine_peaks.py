"""The machine's peaks: which are taken, and how much time they may cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kdeploy.records.bench import BenchRecord
from kdeploy.timing.analysis.machine_peaks import ENGINES
from kdeploy.timing.raw import Task, read_probes
from kdeploy.timing.request import Settings
from kdeploy.timing.run.machine_peaks import SIZES, START_NS, Canary, plan
from kdeploy.timing.run.orchestrator import measure
from tests.timing.scripted import Script, request

CACHES = {"l1d": 2**15, "l2": 2**20, "l3": 2**25}


def test_the_plan_has_every_engine_and_size_the_cheap_ones_first() -> None:
    tasks = plan(CACHES)
    assert [task.size for task in tasks[:6]] == [2**19] * 3 + [4 * 2**25] * 3
    assert [(task.size, task.name) for task in tasks[6:]] == [(size, engine) for size in SIZES for engine in ENGINES]
    assert plan({})[5] == Task("memory", "triad", 4 * 2**25)  # where nothing is known of the caches
    assert plan({"l3": 2**30})[5] == Task("memory", "triad", 2**30)


def canary(script: Script, share: float) -> Canary:
    settings = Settings(peak_share=share)
    return Canary((0,), 1, caches_bytes=CACHES, settings=settings, start=script.start_probe, clock=script.clock)


def test_nothing_starts_before_the_share_pays_for_it() -> None:
    script = Script()
    found = canary(script, 0.1)
    script.clock.now_ns += 9 * START_NS
    assert found.visit() == []
    assert script.open_arms == []
    script.clock.now_ns += 2 * START_NS
    assert found.visit()
    assert script.open_arms == ["canary, others"]


def test_a_canary_takes_its_share_and_one_probe_more_at_most() -> None:
    script, second, probe, start = Script(), 1_000_000_000, 100_000_000, 1_000_000_000
    found = canary(script, 0.1)
    names: list[str] = []
    for _ in range(100):
        script.clock.now_ns += second
        before = script.clock.now_ns
        names += [one.task.name for one in found.visit()]
        spent = script.clock.now_ns - before
        assert not any(process.running for process in script.probes)
        assert spent <= 2 * start + 2 * probe
    total = script.clock.now_ns
    assert 0.09 * total <= len(names) * probe + 2 * start <= 0.1 * total + start + probe
    # two processes; torch is alone, and the first six probes are kernels
    assert script.open_arms == ["canary, others", "canary, torch"]
    assert names[6:10] == list(ENGINES)
    assert len(names) > len(plan(CACHES))  # from the beginning again
    assert names[len(plan(CACHES))] == "read"
    found.close()
    assert script.open_arms == []


def test_a_process_that_dies_ends_no_benchmark_and_is_asked_no_more() -> None:
    script = Script(fails="probe")
    found = canary(script, 0.5)
    script.clock.now_ns += 10 * START_NS
    probes = found.visit()
    assert {tuple(probe.ns) for probe in probes} == {()}
    assert [entry for entry in script.log if entry[1] == "probe"] == [
        ("canary, others", "probe"),
        ("canary, torch", "probe"),
    ]
    assert found.visit() == []
    found.close()
    assert script.open_arms == []


def measured(folder: Path, script: Script, **settings: object) -> BenchRecord:
    asked = request(folder, floor=True, **settings)
    return measure(asked, folder / "out", start=script.start, start_probe=script.start_probe, clock=script.clock)


def numbers(doings: Sequence[tuple[str, str]], name: str) -> list[int]:
    return [place for place, (arm, _) in enumerate(doings) if arm == name]


def test_probes_run_between_replicates_and_are_kept(tmp_path: Path) -> None:
    script = Script(missing=("openvino",))
    measured(tmp_path, script, peak_share=0.5)
    assert script.open_arms == []
    probes, log = read_probes(tmp_path / "out" / "raw.jsonl.gz"), script.log
    assert len(probes) > len(plan(CACHES))
    assert all(bool(probe.ns) == (probe.task.name != "openvino") for probe in probes)
    # a probe comes behind the memory of an arm, or another probe: never inside of a replicate
    before = {log[place - 1][1] for name in ("canary, others", "canary, torch") for place in numbers(log, name)}
    assert before == {"finish", "pin", "probe"}
    assert {log[place + 1] for place in numbers(log, "candidate") if log[place][1] == "run"} & {
        ("canary, others", "probe")
    } == set()


def test_no_canary_is_made_where_none_was_asked_for(tmp_path: Path) -> None:
    script = Script()
    record = measured(tmp_path, script)
    assert not [name for name, _ in script.log if name.startswith("canary")]
    reasons = {missing.reason for missing in record.unavailable if missing.field.endswith(".roofline")}
    assert reasons == {"no count was given"}
