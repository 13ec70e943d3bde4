"""Where samples come from, how they are divided, and which of them the students learn from."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from kdeploy.recipe.section import Positive, Section, Seed, Side, the_only


class Split(Section):
    """How many samples each part gets; a source has its own defaults for what is left out."""

    labeled: int | None = Field(default=None, ge=1)
    unlabeled: int | None = Field(default=None, ge=0)
    held_out: int | None = Field(default=None, ge=1)
    test: int | None = Field(default=None, ge=1)


def _as_text(value: object) -> object:
    # a class may be called 3: names and numbers are told apart when the names are known
    return str(value) if type(value) is int else value


ClassName = Annotated[str, BeforeValidator(_as_text), Field(min_length=1)]
ClassOrder = Annotated[tuple[ClassName, ...], Field(min_length=1, strict=False)]
# in whatever order they were written, they are the same classes
ClassNames = Annotated[tuple[ClassName, ...], AfterValidator(lambda names: tuple(sorted(set(names))))]


class Transfer(Section):
    """The transfer set by class, by true labels; the teacher is trained on the whole labelled part all the same."""

    only: ClassNames | None = Field(
        default=None, min_length=1, strict=False, description="class names, or class numbers"
    )
    without: ClassNames | None = Field(
        default=None, min_length=1, strict=False, description="class names, or class numbers"
    )

    @model_validator(mode="after")
    def one_way(self) -> Self:
        if self.only is not None and self.without is not None:
            raise ValueError("must not have both only and without. Keep one of them.")
        return self


# which sources read a key that says how samples are decoded
_SOURCES_OF_KEY = {
    "size": ("images", "parquet", "hub"),
    "seconds": ("audio", "parquet", "hub"),
    "sample_rate": ("audio", "parquet", "hub"),
    "context": ("phones", "timit"),
    "targets": ("phones", "timit"),
    "groups": ("parquet", "hub", "phones"),
    "x": ("numpy", "parquet", "hub"),
    "y": ("numpy", "parquet", "hub"),
    "layout": ("numpy",),
    "mode": ("images", "parquet", "hub"),
    "skip_bad": ("images", "audio", "parquet", "hub"),
    "classes": ("numpy", "images", "audio", "parquet", "hub"),
}
_ORIGINS = ("source", "parquet", "numpy", "images", "audio", "hub", "phones", "timit")


class Origin(Section):
    """Where samples come from: one of `source`, `parquet`, `numpy`, `images`, `audio`, `hub`, `phones`, `timit`."""

    NO_EFFECT: ClassVar[frozenset[str]] = frozenset(_ORIGINS)  # the content counts, wherever it lies

    source: Literal["mnist-5k"] | None = Field(default=None, description="a built-in set that a dependency ships")
    parquet: str | None = Field(
        default=None, min_length=1, description="a folder in the Hugging Face convention for images, sounds or numbers"
    )
    numpy: str | None = Field(
        default=None, min_length=1, description="an .npz file; or an .npy file with its labels beside it"
    )
    images: str | None = Field(
        default=None, min_length=1, description="a folder of CLASS/FILE, or of train/CLASS/FILE and test/CLASS/FILE"
    )
    audio: str | None = Field(default=None, min_length=1, description="a folder of .wav or .flac files, like images")
    hub: str | None = Field(
        default=None,
        pattern=r"^\w[\w.-]*/\w[\w.-]*(/\w[\w.-]*)*(@[\w./-]+)?$",
        description="a data set on the Hugging Face hub, of which only parquet files are fetched and no code is run",
        json_schema_extra={"must": "must be org/name, org/name/folder or org/name@revision"},
    )
    phones: str | None = Field(
        default=None,
        min_length=1,
        description="a folder of parquet files: speech, a state of a phone each 10 ms",
    )
    timit: str | None = Field(default=None, min_length=1, description="a folder of TIMIT, with TRAIN and TEST")
    size: tuple[Side, Side] | None = Field(
        default=None,
        description="[height, width] to which images of different sizes are resized",
        strict=False,
        json_schema_extra={"advice": "Give [height, width]."},
    )
    seconds: Positive | None = Field(default=None, description="length to which sounds are cut or filled up with zeros")
    sample_rate: int | None = Field(default=None, ge=1, description="samples a second; the first sound's, if left out")
    context: int | None = Field(
        default=None, ge=1, le=1_001, description="frames of speech that are one sample; 15 when left out"
    )
    targets: Literal["states", "phones", "folded"] | None = Field(
        default=None, description="classes of speech: three states a phone, phones, or TIMIT's 39; states when left out"
    )
    groups: str | None = Field(
        default=None,
        min_length=1,
        description="a column: rows with one value are never in two of training, held out, test",
    )

    x: str | None = Field(default=None, min_length=1, description="which array or column is the input")
    y: str | None = Field(default=None, min_length=1, description="which array or column has the labels")
    layout: Literal["NHW", "NHWC", "NCHW", "numbers"] | None = Field(
        default=None, description="the axes of arrays of pixels; numbers: as they are"
    )

    mode: Literal["L", "RGB"] | None = Field(default=None, description="to which images of other modes are converted")
    skip_bad: bool | None = Field(default=None, description="leave out, and count, what cannot be decoded")
    classes: str | ClassOrder | None = Field(
        default=None,
        description="the order of the classes: a list of names, or a file in the data's folder with a name a line",
    )

    @model_validator(mode="after")
    def one_origin(self) -> Self:
        the_only(self, _ORIGINS, _SOURCES_OF_KEY)
        if self.context is not None and self.context % 2 == 0:
            raise ValueError(f"must have an odd context (got {self.context}). The frame is in the middle of it.")
        if self.targets == "folded" and self.timit is None:
            raise ValueError("must have timit for targets folded. Set targets to phones.")
        return self

    @property
    def key(self) -> str:
        """The key that names the source."""
        return next(key for key in Origin.model_fields if getattr(self, key) is not None)

    @property
    def name(self) -> str:
        """The value of the source's key: a name, a file or a folder."""
        return str(getattr(self, self.key))

    def settings(self) -> dict[str, Any]:
        """The settings in a fingerprint: the kind of the source, and how it is decoded."""
        return {"kind": self.key} | super().settings()

    def decoding(self) -> dict[str, Any]:
        """The keys that are set of those that say how samples are decoded."""
        return {key: getattr(self, key) for key in _SOURCES_OF_KEY if getattr(self, key) is not None}


class Data(Origin):
    """Where the samples come from, and how they are divided; a part may come from a source of its own."""

    unlabeled: Origin | None = Field(default=None, description="another source of the unlabelled part")
    held_out: Origin | None = Field(default=None, description="another source of the held-out part")
    test: Origin | None = Field(default=None, description="another source of the test part")
    split: Split = Split()
    seed: Seed = 0
    transfer: Transfer = Transfer()
    duplicates: Literal["report", "drop", "error"] = Field(
        default="report", description="what becomes of training samples that are in the test part too"
    )

    def settings(self) -> dict[str, Any]:
        """The settings in a fingerprint: how the data are decoded and divided, and of each further source its own."""
        return super().settings() | {part: origin.settings() for part, origin in self.origins().items() if part}

    @property
    def division(self) -> dict[str, Any]:
        """How the data are divided, as `kdeploy.samples.sources.load` takes it."""
        own = {"split": self.split.settings(), "transfer": self.transfer.settings()}
        return own | {"seed": self.seed, "duplicates": self.duplicates}

    def origins(self) -> dict[str, Origin]:
        """Every source: the main one under "", the others by their part."""
        own = {part: getattr(self, part) for part in ("unlabeled", "held_out", "test")}
        return {"": self} | {part: origin for part, origin in own.items() if origin is not None}
