"""Models and bundles that belong to no recipe: exported, counted, verified and timed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from kdeploy.pipeline.store import Store
from kdeploy.records.bench import BenchRecord
from kdeploy.records.bundle import BundleVerdict
from kdeploy.records.count import CountRecord
from kdeploy.records.export import ModelExportRecord
from kdeploy.records.parity import VerifyRecord
from kdeploy.verbs.prepare import Options


def export_model(
    path: str | Path,
    options: Options | None = None,
    *,
    bottleneck: Literal["auto", "fuse", "factored"] = "auto",
    target: str = "onnxruntime",
    out: Path | None = None,
    overwrite: bool = False,
) -> tuple[Path, ModelExportRecord]:
    """Fold the batch norms and fuse the linear pairs of an external `.onnx` classifier, proved against it.

    Args:
        path: of the model.
        bottleneck: which form ships; `auto` is the faster one.
        target: the runtime on which `auto` times both forms.
        out: a folder for the model and its record; without one they stay in the folder of all work.
        overwrite: may files of these names with other content be replaced there?
    Returns: the path of the model that ships, and the record; latencies are integer nanoseconds.
    Raises: IntegrityError or ModelError for a file that is not admitted, ParityError when a form is not the model.
    """
    from kdeploy.verbs import export_model as exporting

    options = options or Options()
    exporting.check_out(out, Path(path))
    folder, record = exporting.export_model(
        Path(path), bottleneck=bottleneck, target=target, store=Store(options.runs), progress=options.progress
    )
    return exporting.shipped(folder, out, overwrite=overwrite), record


def show_model(path: str | Path, *, batch: int = 1, shape: Sequence[int] | None = None) -> CountRecord:
    """What one call of an `.onnx` classifier costs, layer by layer, in multiply-adds; nothing is run.

    Args:
        path: of the model.
        batch: samples a call, for a model that does not fix its own.
        shape: the lengths of a sample, for a model in which some are free.
    Raises: IntegrityError or ModelError for a file that is not admitted, or is no classifier.
    """
    from kdeploy.verbs.external_models import count_model

    return count_model(Path(path), batch, shape)


def verify_models(
    paths: Sequence[str | Path],
    options: Options | None = None,
    *,
    inputs: Path | None = None,
    runtimes: Sequence[str] | None = None,
    shape: Sequence[int] | None = None,
) -> VerifyRecord:
    """Compare `.onnx` classifiers through every runtime that is here with their own graphs in float64.

    Args:
        paths: of the models.
        inputs: a folder of images, sounds, `.npy` or `.npz`, on which the models are compared with the first of them as
            well; without one, seeded noise of the right shape.
        runtimes: names; None for all that are here and take the model.
        shape: the lengths of a sample, for models in which some are free.
    Returns: a row for each model and runtime. A row that failed is no error here: see `require_parity`; why a runtime
        has none stands in `unavailable`.
    Raises: IntegrityError or ModelError for a file that is not admitted, or that a named runtime does not take;
        DataError for a folder without fit inputs; MissingError for a runtime that is not here.
    """
    from kdeploy.verbs import external_models

    progress = (options or Options()).progress
    return external_models.verify_models([Path(path) for path in paths], progress, inputs, runtimes, shape)


def verify_bundle(path: str | Path) -> BundleVerdict:
    """Check that a bundle, a folder or its zip, is byte for byte and answer for answer what was tested.

    Integrity only, not authenticity. Errors in the verdict are absolute differences of logits.

    Raises: BundleError when it is no bundle, IntegrityError when a file was changed, added or removed, ParityError when
        its model gives other outputs here, MissingError without ONNX Runtime.
    """
    from kdeploy.bundles.verify import verify as verify_files

    return verify_files(Path(path))


def bench_models(
    baseline: str | Path,
    candidate: str | Path,
    options: Options | None = None,
    *,
    runtimes: Sequence[str] | None = None,
    inputs: Path | None = None,
    threads: int = 1,
    batch: int = 1,
    max_seconds: float = 150.0,
    min_effect: float = 0.03,
    null: bool = True,
    seed: int = 0,
    cold_start: bool = False,
    sustained_seconds: float = 0.0,
    energy: bool = False,
    wait_seconds: float = 0.0,
    quick: bool = False,
) -> tuple[Path, BenchRecord]:
    """Time two external models against each other in fresh process pairs, with an interval.

    Args:
        baseline, candidate: `.onnx` files, folders of bundles, or files of the one runtime that is named.
        options: of which `runs`, `command` and `progress` are used.
        runtimes: names; None for all that are here and take both models.
        inputs: a folder of images, sounds, `.npy` or `.npz`; where each lies in the folder of its class, accuracies are
            compared too. Without one, seeded noise of the right shape.
        threads: of each model.
        batch: samples a call.
        max_seconds: that a comparison may take.
        min_effect: the smallest difference of the ratio from 1 that is worth a claim.
        null: time the baseline against itself too; without that a claim is an indication at most.
        seed: of the order in which the models take turns.
        cold_start: also time the first answers of 10 fresh processes each.
        sustained_seconds: also call each model for so long without a pause; 0 does not.
        energy: also read the energy of the processor, where that is shown.
        wait_seconds: at most, for the machine to be quiet.
        quick: 8 process pairs in place of 12: an indication at most.
    Returns: the folder with `bench.json` and the raw samples, and the record; times are integer nanoseconds, and a
        ratio above 1 says that the candidate is faster.
    Raises: IntegrityError or ModelError for a model that is not admitted, DataError for unfit inputs, MissingError for
        a runtime that is not here.
    """
    from kdeploy.timing.request import Settings
    from kdeploy.verbs import bench_models as models
    from kdeploy.verbs.bench_settings import model_settings

    options = options or Options()
    settings = model_settings(
        seed=seed,
        min_effect=min_effect,
        null=null,
        max_seconds=max_seconds,
        cold_start=cold_start,
        sustained_seconds=sustained_seconds,
        energy=energy,
        wait_seconds=wait_seconds,
    )
    return models.bench_models(
        Path(baseline),
        Path(candidate),
        names=runtimes,
        folder=inputs,
        sizes=[(threads, batch)],
        settings=Settings.quick(settings) if quick else settings,
        store=Store(options.runs),
        command=options.command,
        progress=options.progress,
    )
