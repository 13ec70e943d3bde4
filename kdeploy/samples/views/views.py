"""Views: augmentations that are a pure function of (seed, view number, sample index).

    views = Views(seed=0, shift=2);  seen = views(batch, samples, view=3)

Nothing about a view is stored: teacher and student ask for the same (sample, view) and see the same pixels, today or in
a year, in any batch.

To add a kind of view: write a step, a frozen dataclass in a file of its own with the call form of `shift.Shift` (batch,
draws -> batch of the same shape and dtype) in batched tensor operations; give it draw numbers of its own in
`numbers.DrawNumber`, so that every other step's draws stay as they were; give `Views` a field whose default switches it
off, and add the step to `Views.steps`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kdeploy.errors import DataError
from kdeploy.samples.draws import Draws
from kdeploy.samples.views.color import Colour
from kdeploy.samples.views.crop import Crop
from kdeploy.samples.views.cutout import Cutout
from kdeploy.samples.views.flip import Flip
from kdeploy.samples.views.noise import Noise
from kdeploy.samples.views.numbers import DrawNumber
from kdeploy.samples.views.shift import Shift
from kdeploy.samples.views.turn import Turn

__all__ = ["DrawNumber", "Views"]

Step = Callable[[Tensor, Draws], Tensor]


@dataclass(frozen=True)
class Views:
    """What differs between the views of one input; all zero is the identity, which any input may have.

    Args:
        seed: every draw depends on it.
        shift: the most pixels an image moves along each axis, zero behind it.
        crop: the most pixels an image moves along each axis, its mirror image behind it.
        rotate: the most degrees an image turns around its centre, zero behind it.
        zoom: how far the factor of its size is from 1, below 1.
        flip: mirror half of the images left to right?
        color: how far the factors of brightness, contrast and saturation are from 1, at most 1.
        noise: standard deviation of added gaussian noise, as a part of the full range.
        cutout: side in pixels of a square that is blanked.
        mixup: alpha of the mixture with another sample. It needs that sample's row: `kdeploy.samples.feed` mixes.
    Raises: DataError when a number is negative, `color` above 1, or `zoom` not below 1.
    """

    seed: int
    shift: int = 0
    crop: int = 0
    rotate: float = 0.0
    zoom: float = 0.0
    flip: bool = False
    color: float = 0.0
    noise: float = 0.0
    cutout: int = 0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        for key in ("shift", "crop", "rotate", "zoom", "color", "noise", "cutout", "mixup"):
            if not getattr(self, key) >= 0:
                raise DataError(f"views.{key}", "must be at least 0", got=str(getattr(self, key)))
        if self.zoom >= 1:
            raise DataError("views.zoom", "must be below 1", got=str(self.zoom))
        if self.color > 1:
            raise DataError("views.color", "must be at most 1", got=str(self.color))

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that are switched on: first where pixels are, then what they are, then what is hidden."""
        options: tuple[tuple[float, Step], ...] = (
            (self.shift, Shift(self.shift)),
            (self.crop, Crop(self.crop)),
            (self.rotate or self.zoom, Turn(self.rotate, self.zoom)),
            (self.flip, Flip()),
            (self.color, Colour(self.color)),
            (self.noise, Noise(self.noise)),
            (self.cutout, Cutout(self.cutout)),
        )
        return tuple(step for strength, step in options if strength)

    @property
    def unmixed(self) -> Views:
        """The same views without mixup, for a training on labels: a mixture of two samples has no one label."""
        return replace(self, mixup=0.0)

    def __call__(self, batch: Tensor, samples: Tensor, view: int) -> Tensor:
        """The view of each sample, before mixup, of the shape and dtype of the batch.

        Args:
            batch: (B, channels, height, width), or (B, ...) when no step for images is switched on; any dtype.
            samples: int64 (B,), each sample's index in the sample set.
        Raises: DataError when a step cannot work on such a batch.
        """
        if samples.dtype != torch.int64 or samples.shape != batch.shape[:1]:
            got = f"{samples.dtype} {tuple(samples.shape)} for a batch of {len(batch)}"
            raise DataError("views", "must be given one int64 sample index a row", got=got)
        draws = self.draws(samples.to(batch.device), view)
        for step in self.steps:
            batch = step(batch, draws)
        return batch

    def draws(self, samples: Tensor, view: int) -> Draws:
        """The draws of one view of some samples, int64 (B,)."""
        return Draws(self.seed, view, samples)
