"""benchmarks/bottleneck.py measures both forms, and says where the choice is not as good as asked."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from kdeploy.timing.request import NoiseLimits, Settings
from tests.program import REPOSITORY

SHORT = Settings(
    looks=(1,),
    blocks=2,
    block_ns=1_000_000,
    warm_up_ns=1_000_000,
    warm_up_calls=1,
    limits=NoiseLimits(voids=False),  # a busy machine voids every block
)


@pytest.fixture
def bottleneck(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return importlib.import_module("bottleneck")


def test_the_choice_is_held_against_the_other_form(bottleneck: ModuleType):
    wide, small = (784, 64, 2000), (256, 250, 256)
    rows = [
        bottleneck.Row(wide, "onnxruntime", 1, 20_000, 80_000, (0.24, 0.26), "factored"),
        bottleneck.Row(wide, "onnxruntime", 64, 200_000, 100_000, (1.9, 2.1), "factored"),
        bottleneck.Row(small, "openvino", 1, 103_000, 100_000, None, "factored"),
    ]
    assert [row.against_other for row in rows] == pytest.approx([0.25, 2.0, 1.03])
    asked = "Asked: at batch 1 the form that `auto` chose takes at most 1.03 times as long as the other. "
    worse = "Where the choice at batch 1 is not the best at batch 64: "
    assert bottleneck.verdict(rows) == [f"{asked}Met.", "", f"{worse}784-64-2000 on onnxruntime, 2.00 times the other."]
    missed = [rows[2]._replace(chosen="fused", fused_ns=110_000, factored_ns=100_000)]
    assert bottleneck.verdict(missed) == [
        f"{asked}NOT MET: 256-250-256 on openvino, 1.10 times the other.",
        "",
        f"{worse}nowhere.",
    ]
    assert bottleneck.cells(rows[0]) == (
        *("784-64-2000", "563", "onnxruntime", "1", "20.0", "80.0", "0.250", "0.240 to 0.260", "factored", "0.250"),
    )


@pytest.mark.slow
def test_a_net_is_measured_at_batch_1_and_64(bottleneck: ModuleType, tmp_path: Path):
    rows = list(bottleneck.measured((12, 4, 16), "onnxruntime", SHORT))
    assert [(row.batch, row.runtime) for row in rows] == [(1, "onnxruntime"), (64, "onnxruntime")]
    assert rows[0].chosen == rows[1].chosen
    text = "\n".join(bottleneck.written(rows, 1))
    for word in ("- command: `", "- machine: ", "- versions: ", "| 12-4-16 | 7 | onnxruntime | 64 |"):
        assert word in text


@pytest.mark.slow
def test_blocks_that_are_all_void_are_no_row(bottleneck: ModuleType):
    busy = SHORT.model_copy(update={"limits": NoiseLimits(block_wait=-1)})
    with pytest.raises(SystemExit) as caught:
        list(bottleneck.measured((12, 4, 16), "onnxruntime", busy))
    assert "100% of the blocks are void" in str(caught.value)
    assert str(caught.value).endswith(". Run it again when nothing else runs.")
