"""A student at a lower rank: which one, what it costs, and that the file is that network."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from kdeploy.errors import ModelError, ParityError
from kdeploy.models import students
from kdeploy.models.weights import load_weights
from kdeploy.samples.sampleset import SampleSet
from kdeploy.stages.export import forms
from kdeploy.stages.export.forms import LinearPair, choose_rank
from kdeploy.stages.export.low_rank import Rank, Reduced, reduce
from kdeploy.stages.export.run import ExportOptions
from kdeploy.system.files import hash_file
from kdeploy.transforms.rank import at_rank, decompose
from tests.stages.conftest import IMAGE, Done, inputs_of, make_export
from tests.transforms.chains import drawn

BATCH = np.random.default_rng(0).random((200, 12), dtype=np.float32)


def pair() -> nn.Sequential:
    return drawn(nn.Linear(12, 6, bias=False), nn.Linear(6, 30), nn.ReLU(), nn.Linear(30, 3))


def brute(chain: nn.Sequential, rank: int) -> tuple[float, float, float]:
    """The relative, largest and mean logit error of a rank, the long way round."""
    double = copy.deepcopy(chain).double()
    found = decompose(double)
    assert found is not None
    with torch.inference_mode():
        logits = double(torch.from_numpy(BATCH).double())
        off = (at_rank(double, found, rank)(torch.from_numpy(BATCH).double()) - logits).abs()
    return float(off.max() / logits.abs().max()), float(off.max()), float(off.mean())


@pytest.mark.parametrize("tolerance", [0.3, 0.1, 0.03, 0.01])
@pytest.mark.parametrize("single", [False, True])
def test_a_tolerance_finds_the_least_rank_that_keeps_it(tolerance: float, single: bool):
    chain = drawn(nn.Linear(12, 30), nn.ReLU(), nn.Linear(30, 3)) if single else pair()
    useful = range(1, 9 if single else 6)  # 12 x 30 / 42 = 8.6; the pair's own rank is 6
    least = next((rank for rank in useful if brute(chain, rank)[0] <= tolerance), None)
    found = reduce(chain, Rank(tolerance=tolerance), BATCH)
    assert (found.cost.rank if isinstance(found, Reduced) else None) == least


def test_no_rank_within_the_tolerance_is_a_reason():
    assert reduce(pair(), Rank(tolerance=1e-9), BATCH) == "no rank below 6 of 12 x 6 x 30 is within the tolerance 1e-09"
    single = drawn(nn.Linear(12, 30), nn.ReLU(), nn.Linear(30, 3))
    assert reduce(single, Rank(tolerance=1e-9), BATCH) == "no rank below 9 of 12 x 30 is within the tolerance 1e-09"


def test_the_cost_is_that_of_the_logits():
    found = reduce(pair(), Rank(rank=2), BATCH)
    assert isinstance(found, Reduced)
    relative, largest, mean = brute(pair(), 2)
    cost = found.cost
    assert (cost.rank, cost.full_rank, cost.inputs) == (2, 6, 200)
    assert (cost.relative_error, cost.max_abs_error, cost.mean_abs_error) == pytest.approx((relative, largest, mean))
    decomposed = decompose(pair())
    assert decomposed is not None
    assert cost.spectral_error == pytest.approx(float(decomposed.values[2] / decomposed.values[0]))
    with torch.inference_mode():
        batch = torch.from_numpy(BATCH)
        same = (found.layers(batch).argmax(1) == pair()(batch).argmax(1)).double().mean()
    assert cost.agreement == pytest.approx(float(same))


@pytest.mark.parametrize(
    ("layers", "rank", "sentence"),
    [
        (
            [nn.Linear(12, 6), nn.Linear(6, 30)],
            7,
            "cannot be {rank: 7} (the bottleneck of 12 x 6 x 30 has no rank above 6). Ask for a lower rank.",
        ),
        (
            [nn.Linear(12, 30)],
            9,
            "cannot be {rank: 9} (two factors of 12 x 30 cost less only up to rank 8). Ask for a lower rank.",
        ),
        ([nn.Conv1d(12, 3, 1)], 2, "cannot be {rank: 2} (the network has no linear layer). Set it to auto."),
    ],
)
def test_a_rank_that_cannot_be_had_is_an_error(layers: list[nn.Module], rank: int, sentence: str):
    batch = BATCH[..., None] if isinstance(layers[0], nn.Conv1d) else BATCH
    with pytest.raises(ModelError) as caught:
        reduce(drawn(*layers), Rank(rank=rank), batch)
    assert str(caught.value) == f"export.bottleneck: {sentence}"


def test_a_refused_tolerance_ships_what_there_is():
    assert choose_rank(Rank(tolerance=0.1), "no rank", LinearPair(12, 6, 30)).shipped == "factored"
    found = choose_rank(Rank(tolerance=0.1), "no rank", None)
    assert (found.shipped, found.reason) == ("plain", "no rank")


def test_the_reason_holds_the_cost():
    reduced = reduce(pair(), Rank(rank=2), BATCH)
    assert isinstance(reduced, Reduced)
    cost = reduced.cost.model_copy(
        update={"max_abs_error": 0.0123, "relative_error": 0.001, "mean_abs_error": 0.0011, "agreement": 0.995}
    )
    found = choose_rank(Rank(rank=2), reduced._replace(cost=cost), LinearPair(12, 6, 30))
    assert found.reason == (
        "asked for (export.bottleneck: {rank: 2}): rank 2 of 6, logits off by at most 0.0123 (0.1 % of the largest), "
        "0.0011 on average, agreement 99.50 % with the trained network on 200 held-out inputs"
    )
    assert (found.inputs, found.width, found.outputs) == (12, 2, 30)
    assert found.break_even == pytest.approx(12 * 30 / 42)


def test_a_re_factored_student_ships_with_its_own_proof(
    digits: SampleSet, taught: Done, distilled: Done, tmp_path: Path
):
    record = make_export(tmp_path, digits, taught, distilled, options=ExportOptions(Rank(rank=5)))
    assert record.bottleneck.shipped == "low-rank"
    assert hash_file(tmp_path / "student.onnx") == hash_file(tmp_path / "student.low-rank.onnx")
    by_name = {form.form: form for form in record.forms}
    assert set(by_name) == {"factored", "fused", "low-rank"}
    made = by_name["low-rank"]
    assert all(row.passed for row in made.parity)
    assert made.low_rank is not None
    # what it costs is far above what a proof allows: they are not the same comparison
    assert made.low_rank.max_abs_error > 100 * made.parity[0].budget
    assert by_name["factored"].low_rank is None
    # k (D + H) with k = 5 instead of 8, in student and baseline
    assert by_name["factored"].model.multiply_adds - made.model.multiply_adds == 3 * (196 + 32)
    assert record.baseline is not None
    assert record.baseline.multiply_adds == record.student.multiply_adds
    onnx.checker.check_model(onnx.load(tmp_path / "student.onnx"), full_check=True)


def test_a_file_of_another_rank_is_not_shipped(distilled: Done, digits: SampleSet, tmp_path: Path):
    trained = students.seeded(distilled.record.student, 0)
    load_weights(trained, distilled.folder / distilled.record.chosen.file)
    inputs = inputs_of(digits, IMAGE, "held_out")
    one, other = (reduce(trained.eval().chain(), Rank(rank=rank), inputs) for rank in (5, 6))
    assert isinstance(one, Reduced)
    assert isinstance(other, Reduced)
    with pytest.raises(ParityError, match=r"^student\.low-rank on reference: must be within "):
        forms.export_low_rank(tmp_path, one, other.layers, "image", inputs, "onnxruntime")
