from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from kdeploy.errors import InputError, IntegrityError
from kdeploy.records.bench import BenchRecord
from kdeploy.records.seal import sealed
from kdeploy.runtimes import artefacts
from kdeploy.timing.analysis.claims import require_supported
from kdeploy.timing.recompute import recompute
from kdeploy.timing.run.orchestrator import measure
from tests.program import inside
from tests.timing.run.test_orchestrator import noisy
from tests.timing.scripted import Script, request


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished benchmark of two comparisons, whose models are gone."""
    script = Script(latency_ns=noisy)
    asked = request(tmp_path, comparisons=2, floor=True)
    record = measure(asked, tmp_path / "out", start=script.start, clock=script.clock)
    (tmp_path / "out" / "bench.json").write_bytes(record.sealed())
    (tmp_path / "teacher.onnx").unlink()
    return tmp_path / "out"


def test_outputs_that_were_promised_need_not_be_there_any_more(tmp_path: Path) -> None:
    """A run is measured in one folder and kept in another."""
    asked = request(tmp_path, looks=(1,))
    (tmp_path / "expected.npz").write_bytes(b"outputs")
    promised = asked.comparisons[0].candidate.model_copy(update={"expected": tmp_path / "expected.npz"})
    comparison = asked.comparisons[0].model_copy(update={"candidate": promised})
    script = Script(error=0.5)
    record = measure(
        asked.model_copy(update={"comparisons": (comparison,)}),
        tmp_path / "out",
        start=script.start,
        clock=script.clock,
    )
    (tmp_path / "out" / "bench.json").write_bytes(record.sealed())
    (tmp_path / "expected.npz").unlink()
    [reason] = [reason for reason in recompute(tmp_path / "out").comparison[0].claim.reasons if reason.code == "R01"]
    assert reason.text == "the outputs of student are not those promised: they differ by 0.5"


def edited(path: Path, *place: str | int, to: object) -> None:
    document = json.loads(path.read_bytes())
    inner = document
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = to
    path.write_bytes(BenchRecord.from_json(json.dumps(document), where="here").sealed())


def test_a_result_is_computed_again_byte_for_byte(folder: Path) -> None:
    assert recompute(folder).sealed() == (folder / "bench.json").read_bytes()


def test_an_edited_ratio_is_refused(folder: Path) -> None:
    value = recompute(folder).comparison[1].ratio
    assert value is not None
    edited(folder / "bench.json", "comparison", 1, "ratio", "value", to=9.5)
    with pytest.raises(IntegrityError) as caught:
        recompute(folder)
    assert str(caught.value) == (
        f"{folder / 'bench.json'}: must be what raw.jsonl.gz gives "
        f"(R14: comparison.1.ratio.value is 9.5, and not {value.value!r}). "
        "It was edited, or written by another version of kdeploy; measure again."
    )


@pytest.mark.parametrize(
    ("place", "to"),
    [
        (("comparison", 0, "claim", "status"), "supported"),
        (("comparison", 0, "claim", "text"), "fast"),
        (("comparison", 0, "stopped"), "target"),
        (("comparison", 0, "candidate"), "another"),
        (("arms", 0, "latency_ns", "p90"), None),
        (("arms", 1, "model"), "better student"),
        (("arms", 1, "name"), "unknown"),
        (("arms",), []),
        (("arms", 3, "memory_bytes", "peak_rss"), 1),
        (("null_sut", 0, "call_floor_ns", "value"), 1),
        (("comparison", 0, "notes"), []),
        (("noise", "blocks_void"), 100),
        (("noise", "steal_fraction"), 0.5),
    ],
)
def test_any_edited_figure_is_refused(folder: Path, place: tuple[str | int, ...], to: object) -> None:
    edited(folder / "bench.json", *place, to=to)
    with pytest.raises(IntegrityError, match="R14"):
        recompute(folder)


def test_another_layout_is_refused(folder: Path) -> None:
    path = folder / "bench.json"
    path.write_text(json.dumps(json.loads(path.read_bytes())))
    with pytest.raises(IntegrityError, match="R14: only its layout differs"):
        recompute(folder)


def halve_the_candidate(path: Path) -> None:
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    for line in lines:
        if line.get("arm") == "B" and line["kind"] == "block":
            line["ns"] = [ns // 2 for ns in line["ns"]]
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))


def test_edited_samples_are_refused(folder: Path) -> None:
    path = folder / "raw.jsonl.gz"
    promised = artefacts.file_digest(path)
    halve_the_candidate(path)
    with pytest.raises(IntegrityError) as caught:
        recompute(folder)
    assert str(caught.value) == (
        f"{path}: must have the SHA-256 {promised} (R14: {artefacts.file_digest(path)}). "
        "The samples are not those of the result; measure again."
    )


def test_edited_samples_with_an_edited_digest_are_refused(folder: Path) -> None:
    path = folder / "raw.jsonl.gz"
    halve_the_candidate(path)
    edited(folder / "bench.json", "raw", "sha256", to=artefacts.file_digest(path))
    with pytest.raises(IntegrityError, match="must be what raw"):
        recompute(folder)


def test_samples_of_an_older_kdeploy_are_refused(folder: Path) -> None:
    path = folder / "raw.jsonl.gz"
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(lines[1:])))
    edited(folder / "bench.json", "raw", "sha256", to=artefacts.file_digest(path))
    with pytest.raises(InputError) as caught:
        recompute(folder)
    assert str(caught.value) == (
        f"{path}: must begin with what was asked (no such line). An older kdeploy wrote it; measure again."
    )


@pytest.mark.parametrize("name", ["bench.json", "raw.jsonl.gz"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(InputError) as caught:
        recompute(folder)
    assert str(caught.value) == f"{folder / name}: must be a file that can be read (No such file or directory)."


def test_the_command_prints_the_claim_again_and_refuses_an_edited_file_with_4(folder: Path) -> None:
    found = inside("bench", "recompute", folder)
    assert found.code == 0
    assert "student" in found.stdout
    printed = inside("bench", "recompute", folder, "--json").stdout
    assert sealed(printed) == (folder / "bench.json").read_bytes()
    edited(folder / "bench.json", "noise", "blocks_void", to=3)
    assert inside("bench", "recompute", folder).code == 4


def test_claims_that_are_supported_satisfy_who_requires_them(folder: Path) -> None:
    found = recompute(folder).comparison[0]
    supported = found.model_copy(update={"claim": found.claim.model_copy(update={"status": "supported"})})
    require_supported([supported])


def test_a_claim_that_is_required_and_weak_ends_with_6(folder: Path) -> None:
    found = inside("bench", "recompute", folder, "--require-claim")
    assert found.code == 6
    assert "student" in found.stdout
    weak = "onnxruntime, indicative: R04 quality was not compared"
    assert found.stderr == (
        f"error: bench: must support a claim for every comparison ({weak}; {weak}). "
        "Measure on a quieter machine or for longer, or leave out --require-claim.\n"
    )
    document = inside("bench", "recompute", folder, "--require-claim", "--json").document
    assert document["error"]["kind"] == "ClaimError"
