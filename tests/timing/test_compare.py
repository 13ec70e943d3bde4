from __future__ import annotations

import json
from pathlib import Path

import pytest

from kdeploy.errors import IntegrityError
from kdeploy.records.bench import BenchRecord
from kdeploy.records.bench_compare import BenchCompareRecord
from kdeploy.timing.compare import compare
from kdeploy.timing.run.orchestrator import measure
from tests.program import inside
from tests.timing.scripted import Script, request


def result(folder: Path, student_ns: int = 100_000) -> Path:
    """A folder with the result of a student of this latency, on models and inputs that are always the same."""
    folder.mkdir(exist_ok=True)

    def latency(arm: str, start: int, _block: int) -> int:
        return student_ns + start if arm == "candidate" else 700_000 + start

    script = Script(latency_ns=latency)
    record = measure(request(folder), folder / "out", start=script.start, clock=script.clock)
    (folder / "out" / "bench.json").write_bytes(record.sealed())
    return folder / "out"


def changed(folder: Path, host: dict[str, str], arm: dict[str, str]) -> Path:
    """The same result with other facts, which no sample can contradict."""
    path = folder / "bench.json"
    document = json.loads(path.read_bytes())
    document["host"] |= host
    document["arms"][0]["artifact"] |= arm
    path.write_bytes(BenchRecord.from_json(json.dumps(document), where="here").sealed())
    return folder


def test_two_results_of_the_same_models_give_an_indication(tmp_path: Path) -> None:
    found = compare(result(tmp_path / "a"), result(tmp_path / "b", 50_000))
    assert found.differences == ()
    teacher, student = found.arms
    assert teacher.claim.status == "no_difference_shown"
    assert [reason.code for reason in teacher.claim.reasons] == ["R06", "R08"]
    assert (student.first_ns, student.second_ns) == (100_006, 50_006)
    assert student.ratio is not None
    assert student.ratio.value == pytest.approx(2.0, rel=1e-3)
    assert student.claim.status == "indicative"
    assert student.claim.text == (
        "indication only: student@onnxruntime-b1-t1 >= 1.99x faster in the second result than in the first"
    )


def test_swapping_the_results_inverts_the_ratio(tmp_path: Path) -> None:
    one, other = result(tmp_path / "a"), result(tmp_path / "b", 50_000)
    there, back = (compare(*pair).arms[1].ratio for pair in ((one, other), (other, one)))
    assert there is not None
    assert back is not None
    assert there.ci is not None
    assert back.ci == pytest.approx([1 / there.ci[1], 1 / there.ci[0]])


def test_results_of_two_machines_and_models_are_refused_with_the_list(tmp_path: Path) -> None:
    one = result(tmp_path / "a")
    other = changed(result(tmp_path / "b"), {"id": "elsewhere", "kernel": "5.0"}, {"sha256": "00"})
    found = compare(one, other)
    names = ["host.id", "host.kernel", "teacher@onnxruntime-b1-t1.artifact"]
    assert [difference.field for difference in found.differences] == names
    for arm in found.arms:
        assert (arm.ratio, arm.claim.status) == (None, "refused")
        assert {reason.code for reason in arm.claim.reasons} == {"R14"}
        assert arm.claim.text.startswith("not comparable: host.id differs: ")
        assert arm.claim.text.count("differs: ") == 3


def test_an_edited_result_is_not_compared(tmp_path: Path) -> None:
    one, other = result(tmp_path / "a"), result(tmp_path / "b")
    path = other / "bench.json"
    path.write_text(path.read_text().replace('"blocks_void": 0', '"blocks_void": 1'))
    with pytest.raises(IntegrityError, match="R14"):
        compare(one, other)


def test_the_command_prints_the_comparison_and_fails_a_claim_that_is_required(tmp_path: Path) -> None:
    folders = [result(tmp_path / "a"), result(tmp_path / "b", 50_000)]
    found = inside("bench", "compare", *folders)
    assert found.code == 0, found.stderr
    assert found.stdout.splitlines()[1].startswith("indication only: student@onnxruntime-b1-t1 >= 1.99x faster in")
    document = inside("bench", "compare", *folders, "--json").document
    assert BenchCompareRecord.from_json(json.dumps(document), where="here").arms[1].claim.status == "indicative"
    assert inside("bench", "compare", *folders, "--require-claim").code == 6
