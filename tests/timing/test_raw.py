"""The raw samples come back as they were written, under the names that files have always had."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from kdeploy.timing import raw
from kdeploy.timing.request import ROLES


def test_roles_are_written_as_files_have_them_and_read_back(tmp_path: Path) -> None:
    blocks = [raw.Block(0, place, role, [5], [], 0, "", None) for place, role in enumerate(ROLES)]
    with raw.RawWriter(tmp_path / raw.NAME) as writer:
        for block in blocks:
            writer.block(0, 0, block)
    lines = [json.loads(line) for line in gzip.decompress((tmp_path / raw.NAME).read_bytes()).splitlines()]
    assert [line["arm"] for line in lines] == ["A1", "A2", "B"]
    [replicate] = raw.read_replicates(tmp_path / raw.NAME)[0]
    assert [(block.role, list(block.ns)) for block in replicate.blocks] == [(role, [5]) for role in ROLES]


def test_what_was_measured_of_one_arm_alone_is_read_by_comparison_role_and_kind(tmp_path: Path) -> None:
    cold = {"import_ns": 3, "load_ns": 2, "ns": [9, 8]}
    window = {"at_ns": 1, "elapsed_ns": 4, "calls": 2, "median_ns": 2}
    with raw.RawWriter(tmp_path / raw.NAME) as writer:
        writer.cold_start(0, "baseline", cold)
        writer.window(1, "candidate", window)
        writer.energy(1, "candidate", window | {"energy_uj": 7, "idle_uw": 1})
    assert raw.read_optional(tmp_path / raw.NAME) == {
        0: {"baseline": raw.OptionalSamples(cold_starts=[cold])},
        1: {"candidate": raw.OptionalSamples(windows=[window], energy=[window | {"energy_uj": 7, "idle_uw": 1}])},
    }


def test_one_void_block_takes_its_whole_turn_out() -> None:
    blocks = [
        raw.Block(block, 0, arm, [5], [], 0, "void" if (block, arm) == (1, "control") else "", 0)
        for block in range(3)
        for arm in ROLES
    ]
    replicate = raw.Replicate(0, blocks)
    assert [block.block for block in replicate.counted("baseline")] == [0, 2]
