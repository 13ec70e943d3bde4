"""Ba and Caruana's shallow student (2014): optional convolutions, a linear bottleneck, wide hidden layers, logits.

    h = ReLU(U V x + b),  logits = W h + c,    V: k x D,  U: H x k,  cost k (D + H) instead of D H

V has no bias: U b_V would only be added to b. Dropout, of x and of h, is what a network on labels is regularised by
there. Batch norm, which neither paper has, stands behind each convolution, V and each hidden layer, and folds away. Nor
has either locality, of the layer that reads the pixels of a network without convolutions (`local`): it is gone after
training.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from kdeploy.models.batch_norm import without_factor
from kdeploy.models.dropout import Dropout
from kdeploy.models.local import LocalLinear
from kdeploy.models.normalise import Normalise
from kdeploy.models.seeding import drawn_from


class ConvolutionSize(NamedTuple):
    """A convolution with zero padding that keeps height and width (odd kernel), max pooling (1: none), and ReLU."""

    channels: int
    kernel: int
    pool: int


class ShallowStudent(nn.Module):
    """A student for inputs of a fixed shape.

    Args:
        shape: of one sample: (channels, height, width) or (features,).
        classes: number of logits.
        convolutions: in order; only for images.
        bottleneck: k, or None for a first hidden layer without one.
        hidden: widths of the hidden layers, the first of which is behind the bottleneck.
        mean, std: per channel of the input.
        batch_norm: normalise behind convolutions, bottleneck and hidden layers?
        locality: sigma of the layer that reads the pixels, in pixels, for images; None: a plain layer.
        input_dropout, hidden_dropout: the share of inputs and of hidden units that a training step leaves out.
    """

    def __init__(  # noqa: PLR0913 - each is a size of the network, or what the data or the training give it
        self,
        *,
        shape: Sequence[int],
        classes: int,
        convolutions: Sequence[Sequence[int]] = (),
        bottleneck: int | None,
        hidden: Sequence[int],
        mean: Sequence[float],
        std: Sequence[float],
        batch_norm: bool = False,
        locality: float | None = None,
        input_dropout: float = 0.0,
        hidden_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.normalise = Normalise(mean, std, axes=len(shape) + 1)
        self.input_dropout = Dropout(input_dropout)
        sizes = [ConvolutionSize(*size) for size in convolutions]
        self.features, features_shape = _features(shape, sizes, batch_norm)
        width = math.prod(features_shape)
        first = functools.partial(_first, features_shape, locality=locality)
        self.bottleneck = nn.Identity() if bottleneck is None else first(bottleneck, bias=False)
        normed = batch_norm and bottleneck is not None
        self.norm = without_factor(bottleneck or 1, images=False) if normed else nn.Identity()
        widths = [width if bottleneck is None else bottleneck, *hidden]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers.append(first(after) if bottleneck is None and not layers else nn.Linear(before, after))
            # the names of weights stay what they were in a network without
            layers += [without_factor(after, images=False)] if batch_norm else []
            layers.append(nn.ReLU())
            layers += [Dropout(hidden_dropout)] if hidden_dropout else []
        self.hidden = nn.Sequential(*layers)
        self.widths = tuple(hidden)
        self.logits = nn.Linear(widths[-1], classes)
        self.apply(_initialise)
        if isinstance(self.bottleneck, nn.Linear):
            # nothing is cut off behind V, so its outputs keep the scale of its inputs: half of He's variance
            _draw(self.bottleneck, 1.0)

    def forward(self, batch: Tensor) -> Tensor:
        """Logits of a preprocessed batch: (batch, *shape) to (batch, classes)."""
        logits: Tensor = self.logits(self.hidden(self._read(batch)))
        return logits

    def hidden_layer(self, number: int) -> str:
        """The name in this module of what gives the output of a hidden layer, counted from 1 at the input."""
        parts = len(self.hidden) // len(self.widths)  # of one hidden layer: linear, batch norm, ReLU, dropout
        return f"hidden.{number * parts - 1}"

    def _read(self, batch: Tensor) -> Tensor:
        """What the first hidden layer reads: (batch, k), or (batch, D) without a bottleneck."""
        x = self.features(self.input_dropout(self.normalise(batch)))
        if x.ndim == 4 and x.requires_grad:
            x.register_hook(_as_images)
        values: Tensor = self.norm(self.bottleneck(x.flatten(1)))
        return values

    def chain(self) -> nn.Sequential:
        """The same network in evaluation as one chain of layers, for transformations.

        Pooling stands last in it: where a ReLU follows a convolution, runtimes compute both at once.
        """
        layers = [*_pooled_last(self.features), nn.Flatten(), self.bottleneck, self.norm, *self.hidden, self.logits]
        kept = [layer for layer in layers if not isinstance(layer, nn.Identity | Dropout)]
        return nn.Sequential(
            self.normalise, *(layer.dense() if isinstance(layer, LocalLinear) else layer for layer in kept)
        )


def break_even(inputs: int, outputs: int) -> float:
    """The k above which one D x H layer has fewer multiply-adds than its factors: D H / (D + H)."""
    return inputs * outputs / (inputs + outputs)


def _first(shape: Sequence[int], units: int, *, bias: bool = True, locality: float | None) -> nn.Linear:
    """The layer that reads the pixels, or what the convolutions make of them."""
    if locality is None:
        return nn.Linear(math.prod(shape), units, bias=bias)
    if len(shape) != 3:
        raise ValueError(f"locality needs samples of shape (channels, height, width) (got {tuple(shape)})")
    return LocalLinear(shape, units, sigma=locality, bias=bias)


def _features(
    shape: Sequence[int], sizes: Sequence[ConvolutionSize], batch_norm: bool
) -> tuple[nn.Sequential, tuple[int, ...]]:
    """Convolution, pooling, batch norm, ReLU: what comes behind the pooling has less to do."""
    layers: list[nn.Module] = []
    if sizes and len(shape) != 3:
        raise ValueError(f"convolutions need samples of shape (channels, height, width) (got {tuple(shape)})")
    for size in sizes:
        channels, height, width = shape
        layers.append(nn.Conv2d(channels, size.channels, size.kernel, padding=size.kernel // 2))
        layers += [nn.MaxPool2d(size.pool)] if size.pool > 1 else []
        layers += [without_factor(size.channels, images=True)] if batch_norm else []
        layers.append(nn.ReLU())
        shape = (size.channels, height // size.pool, width // size.pool)
    return nn.Sequential(*layers), tuple(shape)


def _as_images(gradient: Tensor) -> Tensor:
    """The layout of the images. Flattening leaves a gradient of another, with which every layer would be slow."""
    return gradient.contiguous(memory_format=torch.channels_last)


def _pooled_last(features: nn.Sequential) -> list[nn.Module]:
    """The features as they are deployed, pooling behind the ReLU: what stands between them never decreases."""
    layers: list[nn.Module] = []
    pools: list[nn.Module] = []
    for layer in features:
        if isinstance(layer, nn.MaxPool2d):
            pools.append(layer)
        else:
            layers.append(layer)
        if isinstance(layer, nn.ReLU):
            layers += pools
            pools = []
    return layers


def _initialise(module: nn.Module) -> None:
    """He et al. 2015: variance 2 / fan-in before a ReLU."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        _draw(module, 2.0)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _draw(layer: nn.Linear | nn.Conv2d, variance: float) -> None:
    """Initial weights, so that inputs of variance 1 give outputs of this one."""
    if isinstance(layer, LocalLinear):
        layer.draw(variance)
    else:
        nn.init.normal_(layer.weight, std=math.sqrt(variance / layer.weight[0].numel()))


def seeded(seed: int, **arguments: object) -> ShallowStudent:
    """A student whose initial weights depend on the seed and on nothing else."""
    with drawn_from(seed):
        return ShallowStudent(**arguments)  # type: ignore[arg-type]
