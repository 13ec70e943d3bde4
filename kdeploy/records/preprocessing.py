"""How a canonical sample becomes a model's input: data, not code, so that a bundle can carry it.

    x = canonical * scale;  x = bilinear(x, size);  x = (x - mean) / std

each step left out where its field is null. Canonical images are uint8 (channels, height, width), L or RGB; other
canonical arrays are float32 of a fixed shape.
"""

from __future__ import annotations

from typing import Literal

from kdeploy.records.base import Part


class Preprocessing(Part):
    """The preprocessing that turns one canonical input into one input of a model.

    `scale` multiplies; `size` is (height, width); `mean` and `std` are per channel (the first axis of a sample).
    """

    input: str  # the name of the canonical input among the samples
    kind: Literal["image", "array"]
    shape: tuple[int, ...]  # of one canonical sample, without the batch axis
    dtype: Literal["uint8", "float32"]  # canonical
    scale: float = 1.0
    size: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @property
    def model_shape(self) -> tuple[int, ...]:
        """The shape of one sample as the model reads it."""
        return self.shape if self.size is None else (self.shape[0], *self.size)
