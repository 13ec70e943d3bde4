"""What two runs of one recipe differ in is one file of the evidence, which shows when it was altered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kdeploy.bundles.evidence import evidence
from kdeploy.bundles.programs import bundle_core as core
from kdeploy.bundles.verify import verify
from kdeploy.errors import IntegrityError
from kdeploy.records.labels import LabelsRecord
from kdeploy.records.software import ComputedOn
from tests.altered import flip
from tests.bundles.conftest import build

SOFTWARE = ComputedOn(device="cpu", threads=2, precision="fp32", versions={})


def labels(duration_ns: int) -> LabelsRecord:
    return LabelsRecord(header_sha256="ab", rows=3, bytes=9, agreement=0.5, duration_ns=duration_ns, software=SOFTWARE)


def test_a_time_is_in_one_file_and_everything_else_in_the_others():
    one, other = (evidence({"labels": labels(ns), "bench": labels(7)}, {"labels": f"{ns}"}) for ns in (3, 4))
    assert {path for path in one if one[path] != other[path]} == {core.TIMINGS}
    kept, timings = (json.loads(one[path]) for path in ("evidence/labels.json", core.TIMINGS))
    assert kept == {key: value for key, value in json.loads(labels(3).to_json()).items() if key != "duration_ns"}
    assert timings["timed"] == {"labels": {"duration_ns": 3}}
    assert timings["bench"] == json.loads(labels(7).to_json())
    assert timings["seals"] == {"labels": "3"}


def bundled(folder: Path, duration_ns: int) -> Path:
    """The folder of a bundle with that evidence."""
    folder.mkdir()
    build(folder, evidence=evidence({"labels": labels(duration_ns)}, {}))
    return folder / "out" / "bundle"


def test_each_flipped_bit_of_the_times_is_found_and_no_other_file_depends_on_them(tmp_path: Path):
    one, other = bundled(tmp_path / "a", 3), bundled(tmp_path / "b", 4)
    files = [path.relative_to(one) for path in one.rglob("*") if path.is_file()]
    assert [str(path) for path in files if (one / path).read_bytes() != (other / path).read_bytes()] == [core.TIMINGS]
    verify(one)
    content = (one / core.TIMINGS).read_bytes()
    for place in range(0, len(content), 7):
        flip(one / core.TIMINGS, place)
        with pytest.raises(IntegrityError) as caught:
            verify(one)
        assert caught.value.where == f"{one}/{core.TIMINGS}"
        (one / core.TIMINGS).write_bytes(content)
