"""An external ONNX classifier, rewritten where that is exact: its linear pairs fused, its batch norms folded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kdeploy.errors import InputError
from kdeploy.graphs.inspector.admit import admit
from kdeploy.pipeline.store import RECORD, Store
from kdeploy.records.export import ModelExportRecord
from kdeploy.runtimes import installed
from kdeploy.runtimes.onnxfile import copy_model
from kdeploy.stages.export import external
from kdeploy.stages.export.external import BottleneckForm
from kdeploy.system import host
from kdeploy.system.files import commit_bytes, hash_file
from kdeploy.system.fingerprint import fingerprint
from kdeploy.system.outputs import filled, must_take_files
from kdeploy.system.progress import Progress
from kdeploy.verbs import external_work
from kdeploy.verbs.external_models import sides_of
from kdeploy.verbs.plain_models import plain_model


def export_model(
    path: Path, *, bottleneck: BottleneckForm, target: str, store: Store, progress: Progress
) -> tuple[Path, ModelExportRecord]:
    """Rewrite an ONNX classifier where that is exact, prove it, and keep the faster form; done work is reused.

    Args:
        target: the runtime on which `auto` times the forms.
    Returns: the folder with `model.onnx`, and the record.
    Raises: what the inspector raises, ModelError for a file that is not a classifier, ParityError.
    """
    inspection = admit(path)
    installed.find(target)
    what: dict[str, Any] = {"bottleneck": bottleneck, "target": target}
    if bottleneck == "auto":
        what |= {"host": host.host_id(), "versions": host.library_versions(("onnxruntime", "openvino", "numpy"))}
    key = fingerprint(ModelExportRecord.SCHEMA, what, {"model": hash_file(path), "sides": sides_of(path)})
    if not store.has("model", key):
        with store.work("model", key) as folder, plain_model(path, inspection) as plain:
            record = external_work.export(folder, plain, bottleneck, target, progress)
            store.commit("model", key, record)
    return store.files("model", key), store.read("model", key, ModelExportRecord)


def check_out(out: Path | None, source: Path) -> None:
    """Check the folder of the user's that a model is to go to, before the work.

    Raises: InputError when it is no folder, or that of the model that is the source; IntegrityError for a link.
    """
    if out is None:
        return
    must_take_files(out)
    if (out / external.MODEL).exists() and source.samefile(out / external.MODEL):
        raise InputError("--out", "must be another folder than the model's", got=str(out))


def shipped(folder: Path, out: Path | None, *, overwrite: bool) -> Path:
    """The path of the model that ships; with `out` it and its record are copied to that folder of the user's.

    Raises: what `kdeploy.system.outputs.filled` raises.
    """
    if out is None:
        return folder / external.MODEL
    with filled(out, overwrite=overwrite) as place:
        commit_bytes(place / RECORD, (folder / RECORD).read_bytes())
        copy_model(folder / external.MODEL, place, runtime="export")
    return out / external.MODEL
