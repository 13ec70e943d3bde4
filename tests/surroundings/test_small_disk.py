"""A disk that is full in the middle of a stage: nothing is lost, and after more room the same command goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import TinyRun
from tests.program import TINY, kdeploy
from tests.small_disk import twice
from tests.surroundings.results import content_of, copied, results

ADVICE = "Free some space, or raise the limit, and run the same command again; finished work is kept."


# the stage, the KiB that are left for it, and the file without room (a page elsewhere may decide which)
@pytest.mark.usefixtures("own_mounts")
@pytest.mark.parametrize(
    ("stage", "verb", "spare", "full", "same"),
    [
        ("labels", "label", 36, {"view-00001/rows-00000000.npy", "header.json"}, "header.json"),
        ("verify", "verify", 16, {"record.json"}, "record.json"),
        ("report", "report", 40, {"report.html"}, "report.html"),
    ],
    ids=["labels", "verify", "report"],
)
def test_a_disk_that_is_full_in_the_middle_of_a_stage_loses_nothing(
    stage: str, verb: str, spare: int, full: set[str], same: str, tiny: TinyRun, tmp_path: Path
):
    [reference] = (tiny.runs / stage).iterdir()
    content = copied(tiny.runs, tmp_path, stage)
    before = content_of(content)
    first, second = twice(content, spare, verb, TINY)
    assert first.code == 8
    path, _, why = first.stderr.splitlines()[-1].partition(": must have room on its disk (No space left on device, ")
    assert path in {f"error: {tmp_path}/disk/.work/{stage}/{reference.name}/{name}" for name in full}
    free, _, advice = why.partition(" bytes free). ")
    assert int(free) < spare << 10
    assert advice == ADVICE
    assert content_of(tmp_path / "runs.full") == before
    assert second.code == 0
    assert results(content) == results(tiny.runs)
    assert (content / stage / reference.name / same).read_bytes() == (reference / same).read_bytes()
    # what rests on the stage is as it was: nothing is done again
    assert kdeploy("show", "tiny", "--runs", content).code == 0


@pytest.mark.usefixtures("own_mounts")
def test_a_block_of_labels_that_was_written_is_not_written_again(tiny: TinyRun, tmp_path: Path):
    content = copied(tiny.runs, tmp_path, "labels")
    twice(content, 36, "label", TINY)
    [half] = (tmp_path / "runs.full" / ".work" / "labels").glob("*/view-00000/rows-00000000.npy")
    [whole] = (content / "labels").glob("*/view-00000/rows-00000000.npy")
    assert half.stat().st_mtime_ns == whole.stat().st_mtime_ns
