"""What several stages read: samples as a model sees them, and converted models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kdeploy.errors import DataError
from kdeploy.pipeline.job import Job
from kdeploy.recipe import views as recipe
from kdeploy.records.export import ExportRecord
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.records.samples import InputKind

if TYPE_CHECKING:
    import numpy as np

    from kdeploy.evaluation.precision_cost import Labelled
    from kdeploy.samples.feed import Feed
    from kdeploy.samples.sampleset import SampleSet


def feed(job: Job, samples: SampleSet, preprocessing: Preprocessing) -> Feed:
    from kdeploy.samples.feed import Feed
    from kdeploy.samples.views.munge import Munge
    from kdeploy.samples.views.views import Views

    views = job.recipe.views
    check_views(views, samples.kinds)
    array, asked = samples.inputs[preprocessing.input], views.of(preprocessing.input)
    return Feed(
        array,
        Views(views.seed, mixup=views.mixup, **asked.model_dump(exclude={"munge"})),
        preprocessing,
        samples.transfer,
        Munge(array, samples.transfer, **asked.munge.model_dump()) if asked.munge else None,
    )


def check_views(views: recipe.Views, kinds: Mapping[str, InputKind]) -> None:
    """Refuse settings for an input that the data has not, and settings for images on an array."""
    unknown = sorted(set(views.inputs) - set(kinds))
    if unknown:
        raise DataError(f"views.{unknown[0]}", f"must name an input of the data: {', '.join(kinds)}", got=unknown[0])
    for name, kind in kinds.items():
        if kind == "image" and views.of(name).munge:
            advice = "It makes rows of a table: an image can have shift, crop, flip, colour, noise, cutout and mixup."
            must = f"must be left out for input {name!r}, which is an image"
            raise DataError("views.munge", must, advice=advice)
        for key, value in views.of(name).model_dump().items():
            if kind == "array" and value and key not in ("noise", "munge"):
                must = f"must be left out for input {name!r}, which is an array"
                advice = "An array can have noise and mixup, and munge if it is a table."
                raise DataError(f"views.{key}", must, got=str(value).lower(), advice=advice)


def plain_preprocessing(samples: SampleSet) -> Preprocessing:
    """What a model of ours reads: pixels / 255, or the array as it is; normalisation is inside the net."""
    name = samples.input_name
    array, kind = samples.inputs[name], samples.kinds[name]
    image = kind == "image"
    return Preprocessing(
        input=name,
        kind=kind,
        shape=array.shape[1:],
        dtype="uint8" if image else "float32",
        scale=1 / 255 if image else 1.0,
    )


def inputs_of(job: Job, samples: SampleSet, preprocessing: Preprocessing, part: str) -> np.ndarray:
    """Preprocessed samples of one part, float32."""
    inputs: np.ndarray = feed(job, samples, preprocessing).plain(samples.parts[part]).numpy()
    return inputs


def labelled(job: Job, samples: SampleSet, preprocessing: Preprocessing, part: Literal["held_out", "test"]) -> Labelled:
    """Preprocessed samples of a part with their labels."""
    from kdeploy.evaluation.precision_cost import Labelled

    return Labelled(part, inputs_of(job, samples, preprocessing, part), samples.labels[samples.parts[part]])


def artefacts(job: Job, export: ExportRecord, model: str) -> dict[str, Path]:
    """What was converted already, by format as people write it."""
    made = [one for one in export.formats if one.model == model and one.refused is None]
    found = {one.key: job.folder("export") / one.file for one in made}
    found["onnxruntime"] = job.folder("export") / f"{model}.onnx"
    return found
