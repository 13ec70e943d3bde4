"""The section `student` of a recipe: a network of Ba and Caruana's family, a compact one, or anybody's."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from kdeploy.recipe.dropout import Dropout
from kdeploy.recipe.section import FUNCTION, FUNCTION_WORDS, Section, Width, listed


def _must_be_odd(kernel: int) -> None:
    if kernel % 2 == 0:
        raise ValueError(f"must have an odd kernel (got {kernel}). Even kernels cannot keep height and width.")


class Convolution(Section):
    """A convolution with ReLU and max pooling; zero padding keeps height and width."""

    channels: int = Field(ge=1, le=65_536)
    kernel: int = Field(default=5, ge=1, le=63)
    pool: int = Field(default=1, ge=1, le=64, description="max pooling; 1 leaves it out")

    @model_validator(mode="after")
    def odd_kernel(self) -> Self:
        _must_be_odd(self.kernel)
        return self


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, dict) else value


class Compact(Section):
    """A narrow, deep convolutional network: stages of 3x3 convolutions with max pooling between them."""

    widths: tuple[Width, ...] = Field(default=(24, 48, 96), min_length=1, strict=False, description="of each stage")
    depth: int = Field(default=2, ge=1, le=100, description="convolutions of each stage")
    kernel: int = Field(default=3, ge=1, le=63, description="side of a convolution")
    depthwise: bool = Field(
        default=False, description="each convolution but the first in two: over each channel, then over a pixel's"
    )
    pool: int = Field(default=2, ge=1, le=64, description="side of the max pooling between stages; 1 leaves it out")
    grid: int = Field(default=1, ge=1, le=64, description="side of the average pooling's result, which the logits read")

    @model_validator(mode="after")
    def odd_kernel(self) -> Self:
        _must_be_odd(self.kernel)
        return self


class LayerBottleneck(Section):
    """A linear bottleneck in place of a linear layer of a network from outside."""

    layer: str = Field(min_length=1, description="its name in the network")
    rank: int = Field(ge=1, le=1_000_000)


def _width_or_layer(value: object) -> object:
    """A width, or a layer with a rank; a union would report every problem once for each of its members."""
    if isinstance(value, dict):
        return LayerBottleneck.model_validate(value)
    if value is None or isinstance(value, LayerBottleneck):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1_000_000:
        return value
    raise ValueError(
        f"must be a whole number from 1 to 1,000,000, or a mapping with layer and rank (got {value!r}). "
        "Leave it out for a student without a bottleneck."
    )


EXTERNAL = ("torch", "timm", "torchvision", "huggingface")
_SHALLOW = ("conv", "hidden", "batch_norm", "locality", "dropout")


class Student(Section):
    """Ba and Caruana's family: optional convolutions, a linear bottleneck, wide hidden layers, logits; or, with one of
    `compact`, `torch`, `timm`, `torchvision` and `huggingface`, that network."""

    conv: Annotated[tuple[Convolution, ...], BeforeValidator(_one_or_many)] = Field(
        default=(), strict=False, description="one convolution, or a list of them"
    )
    bottleneck: Annotated[int | LayerBottleneck | None, BeforeValidator(_width_or_layer)] = Field(
        default=None, description="its width; of a network from outside {layer: NAME, rank: r}"
    )
    hidden: tuple[Width, ...] = Field(default=(512,), min_length=1, strict=False)
    batch_norm: bool = Field(
        default=False, description="behind each convolution, the bottleneck and each hidden layer; folded away in files"
    )
    locality: float | None = Field(
        default=None,
        ge=0.5,
        le=65_536,
        description="of images without conv: how many pixels around its place a unit of the first layer learns from",
    )
    dropout: Dropout | None = Field(default=None, description="in training, of students and of baselines")
    compact: Compact | None = Field(default=None, description="a narrow and deep convolutional network; {} is one")
    torch: str | None = Field(
        default=None,
        pattern=FUNCTION,
        description="pkg.mod:build; runs code",
        json_schema_extra={"must": FUNCTION_WORDS},
    )
    timm: str | None = Field(default=None, min_length=1, description="a name of timm, mobilenetv3_small_050")
    torchvision: str | None = Field(default=None, min_length=1, description="a classifier of torchvision, resnet18")
    huggingface: str | None = Field(
        default=None, min_length=1, description="an image classifier on the hub, in a folder, or a type of config, vit"
    )
    args: dict[str, Any] = Field(default_factory=dict, description="of the function, or of the package's own")
    pretrained: bool = Field(
        default=False, description="of a name: begin with its published weights; needs the network or a cache"
    )

    @property
    def family(self) -> Literal["shallow", "compact", "torch", "timm", "torchvision", "huggingface"]:
        """Which networks it is one of."""
        if self.compact is not None:
            return "compact"
        if self.torch is not None:
            return "torch"
        if self.timm is not None:
            return "timm"
        if self.torchvision is not None:
            return "torchvision"
        return "shallow" if self.huggingface is None else "huggingface"

    @property
    def called(self) -> str | None:
        """The name of a network from outside, or the function that builds it; None for one of kdeploy."""
        return next((getattr(self, key) for key in EXTERNAL if getattr(self, key) is not None), None)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of kdeploy.models.students.StudentOptions, without those that the data give."""
        if self.compact is not None:
            return {"sizes": self.compact.model_dump()}
        if self.called is None:
            return self._of_shallow
        bottleneck = self.bottleneck.model_dump() if isinstance(self.bottleneck, LayerBottleneck) else None
        return {"name": self.called, "args": self.args, "pretrained": self.pretrained, "bottleneck": bottleneck}

    @property
    def _of_shallow(self) -> dict[str, Any]:
        return {
            "convolutions": [(size.channels, size.kernel, size.pool) for size in self.conv],
            "bottleneck": self.bottleneck,
            "hidden": self.hidden,
            **({"batch_norm": True} if self.batch_norm else {}),
            **({"locality": self.locality} if self.locality is not None else {}),
            **(self.dropout.arguments if self.dropout else {}),
        }

    @model_validator(mode="after")
    def one_way_to_be_local(self) -> Self:
        if self.conv and self.locality is not None:
            raise ValueError("must not have locality beside conv. A convolution sees what is near: remove locality.")
        return self

    @model_validator(mode="after")
    def one_family(self) -> Self:
        keys = [key for key in ("compact", *EXTERNAL) if getattr(self, key) is not None]
        if len(keys) > 1:
            raise ValueError(f"must have at most one of {listed(keys)} (got all of them). Keep one of them.")
        foreign = [key for key in _SHALLOW if keys and self.given(key)]
        if foreign:
            advice = (
                "They belong to a student without it." if len(foreign) > 1 else "It belongs to a student without it."
            )
            raise ValueError(f"must not have {listed(foreign)} beside {keys[0]}. {advice}")
        if keys == ["compact"] and self.bottleneck is not None:
            raise ValueError("must not have bottleneck beside compact. It has no linear layer but its logits.")
        return self

    @model_validator(mode="after")
    def keys_of_a_network_from_outside(self) -> Self:
        wrong = [key for key in ("args", "pretrained") if self.called is None and getattr(self, key)]
        if wrong:
            owners = "torch, timm, torchvision or huggingface"
            raise ValueError(f"must not have {listed(wrong)} without one of {owners}. Name a network, or remove it.")
        if self.torch is not None and self.pretrained:
            raise ValueError("must not have pretrained beside torch. Load the weights in the function.")
        if self.called is None and isinstance(self.bottleneck, LayerBottleneck):
            raise ValueError("must have a width as its bottleneck, as it has no layers by name. For example: 64.")
        if self.called is not None and isinstance(self.bottleneck, int):
            must = f"must have a layer and a rank as its bottleneck beside {self.family} (got {self.bottleneck})"
            raise ValueError(f"{must}. For example: {{layer: fc, rank: 64}}.")
        return self
