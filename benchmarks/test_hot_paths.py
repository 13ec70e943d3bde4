"""What a training does in every step, with pytest-benchmark: views, the label store, losses with their gradients.

    OMP_NUM_THREADS=1 pytest benchmarks/test_hot_paths.py --benchmark-group-by=group --benchmark-autosave
    pytest-benchmark compare

One process: good for seeing one function change over time, not for a claim about two.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from kdeploy.labels import store
from kdeploy.labels.store import Reader
from kdeploy.losses.correlation import correlation_loss
from kdeploy.losses.decoupled import decoupled
from kdeploy.losses.logit_matching import logit_mse
from kdeploy.losses.relational import angle_loss, distance_loss
from kdeploy.losses.soft_targets import soft_targets
from kdeploy.records.labels import LabelHeader
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.samples.views.views import Views
from kdeploy.system.progress import Progress

BATCH, CLASSES, ROWS = 256, 10, 65_536

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (BATCH, 3, 32, 32), dtype=np.uint8))
SAMPLES = torch.arange(BATCH)
TARGETS = SAMPLES % CLASSES
LOGITS = torch.randn(2, BATCH, CLASSES, generator=torch.Generator().manual_seed(0))

VIEWS = {
    "shift": Views(0, shift=2),
    "crop and flip": Views(0, crop=4, flip=True),
    "rotate and zoom": Views(0, rotate=10.0, zoom=0.1),
    "color": Views(0, color=0.4),
    "noise": Views(0, noise=0.05),
    "cutout": Views(0, cutout=8),
}
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "logit-mse": logit_mse,
    "soft-targets": soft_targets,
    "decoupled": partial(decoupled, targets=TARGETS, alpha=1.0, beta=8.0),
    "correlation": partial(correlation_loss, inter=1.0, intra=1.0),
    "distances": distance_loss,
    "angles": angle_loss,
}


@pytest.mark.benchmark(group="views, 256 images of 3x32x32")
@pytest.mark.parametrize("name", VIEWS)
def test_a_view_of_a_batch(benchmark, name: str) -> None:
    seen = benchmark(VIEWS[name], IMAGES, SAMPLES, view=3)
    assert seen.shape == IMAGES.shape


@pytest.mark.benchmark(group="loss and gradient, 256 rows of 10 logits")
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_with_its_gradient(benchmark, name: str) -> None:
    student = LOGITS[0].clone().requires_grad_()

    def step() -> Tensor:
        [gradient] = torch.autograd.grad(LOSSES[name](student, LOGITS[1]).mean(), student)
        return gradient

    assert torch.isfinite(benchmark(step)).all()


@pytest.mark.benchmark(group="label store, blocks of 65,536 rows of 10 logits")
def test_writing_a_block_of_labels(benchmark, tmp_path: Path) -> None:
    folders = (tmp_path / str(number) for number in range(1_000_000))
    filled = benchmark(lambda: written(next(folders)))
    assert len(filled.blocks) == 1


@pytest.mark.benchmark(group="label store, blocks of 65,536 rows of 10 logits")
def test_reading_a_shuffled_batch_of_labels(benchmark, tmp_path: Path) -> None:
    reader = Reader(tmp_path, written(tmp_path).model_copy(update={"blocks": ()}))
    rows = np.random.default_rng(0).permutation(ROWS)[:BATCH]
    assert benchmark(reader.rows, 0, rows).shape == (BATCH, CLASSES)


def written(folder: Path) -> LabelHeader:
    """A store of one view and one block, made up."""
    header = LabelHeader(
        kind="logits",
        dtype="float16",
        teacher="0" * 16,
        samples="0" * 64,
        preprocessing=Preprocessing(input="image", kind="image", shape=(3, 32, 32), dtype="uint8", scale=1 / 255),
        views={"count": 1},
        precision="fp32",
        batch=BATCH,
        class_names=tuple("0123456789"),
        shape=(1, ROWS, CLASSES),
    )
    return store.write(folder, header, lambda _view, start, stop: BLOCK[start:stop], Progress())


BLOCK = np.random.default_rng(0).standard_normal((ROWS, CLASSES)).astype(np.float32)
