"""The augmentation of the transfer set, input by input."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from kdeploy.recipe.section import Positive, Section, Seed


class Munge(Section):
    """Rows of a table between a sample and its nearest neighbour (Bucila et al. 2006); a loss on labels sees none."""

    probability: float = Field(default=0.2, ge=0, le=1, description="with which each attribute is changed")
    variance: Positive = Field(default=1.0, description="s: the larger, the nearer to the neighbour's value")
    nominal: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=(), strict=False, description="columns whose numbers are names"
    )


class InputViews(Section):
    """The augmentation of one input; an array can have `noise` and `munge`, the rest is for images."""

    shift: int = Field(default=0, ge=0, le=64, description="largest shift in pixels, in each direction; zero behind it")
    crop: int = Field(default=0, ge=0, le=64, description="as shift, with the mirrored image behind it")
    rotate: float = Field(default=0.0, ge=0, le=180, description="largest turn in degrees; zero behind the image")
    zoom: float = Field(default=0.0, ge=0, lt=1, description="size: a factor within 1 - this and 1 + this")
    flip: bool = Field(default=False, description="mirror half of the images left to right")
    color: float = Field(
        default=0.0, ge=0, le=1, description="brightness, contrast and saturation: factors within 1 - this and 1 + this"
    )
    noise: float = Field(
        default=0.0, ge=0, le=1, description="standard deviation of gaussian noise, as a part of the full range"
    )
    cutout: int = Field(default=0, ge=0, le=65_536, description="side in pixels of a square that is blanked")
    munge: Munge | None = Field(default=None, description="new rows of a table, of which there are no true labels")


class Views(InputViews):
    """Augmented views of the transfer set; the flat form is shorthand for a sample set with one input."""

    count: int = Field(default=1, ge=1, le=10_000, description="how many views each sample has")
    seed: Seed = 0
    mixup: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="alpha of the mixture with another sample, the same in all inputs; not in a training on labels",
    )
    inputs: dict[str, InputViews] = Field(default_factory=dict, description="per input; `inputs:` may be left out")

    @model_validator(mode="before")
    @classmethod
    def gather_inputs(cls, section: object) -> object:
        """The section with its inputs under `inputs`.

        In `views: {count: 32, image: {shift: 2}}` the mapping under another key belongs to the input of that name.
        """
        if not isinstance(section, dict) or "inputs" in section:
            return section
        inputs = {
            key: value for key, value in section.items() if isinstance(value, dict) and key not in cls.model_fields
        }
        return {key: value for key, value in section.items() if key not in inputs} | {"inputs": inputs}

    @property
    def of_labeled(self) -> Views:
        """The views of a training on labels: nothing that mixes samples, and a new view in each epoch."""
        unmixed = {name: one.model_copy(update={"munge": None}) for name, one in self.inputs.items()}
        return self.model_copy(update={"count": 1, "mixup": 0.0, "munge": None, "inputs": unmixed})

    def of(self, name: str) -> InputViews:
        """The settings of one input."""
        return self.inputs.get(name) or InputViews(**{key: getattr(self, key) for key in InputViews.model_fields})
