"""manifest.json: what is in a bundle and how its model is called.

    {"schema": "kdeploy.bundle/1.1", "needs_kdeploy", "name",
     "model": {"file", "inputs": [{"name", "from", "shape", "dtype"}], "output", "batch"},
     "outputs": what they are, where they are no classes, "formats": {runtime: path}, "golden_atol",
     "tested_with": {package: version},
     "files": {path: {"sha256", "bytes"}, "evidence/timings.json": {"sealed": true}},
     "seal": the SHA-256 of all bytes before its line}

`from` is the canonical input that an input of the model is prepared from. `batch` and lengths in `shape` are null where
the model leaves them open. Readers accept any minor version and ignore fields they do not know, unless those name code.
Times are others in each run, so their file seals itself, and nothing else in the bundle depends on it.
The seal shows that no byte of the manifest changed by itself; who changes one on purpose makes another seal. Its
SHA-256 is in the BundleRecord, outside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kdeploy.bundles.programs import bundle_core as core
from kdeploy.errors import BundleError, ModelError
from kdeploy.outputs.terms import OutputsName
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.runtimes.border import Port
from kdeploy.runtimes.onnxfile import header
from kdeploy.runtimes.ports import Ports, of_graph

NEEDS_KDEPLOY = "0.1.0"  # the first version that reads kdeploy.bundle/1


def manifest_bytes(
    *,
    name: str,
    ports: Ports,
    preprocessing: Sequence[Preprocessing],
    formats: Mapping[str, str],
    atol: float,
    versions: Mapping[str, str],
    contents: Mapping[str, bytes],
    outputs: OutputsName = "classes",
) -> bytes:
    """The manifest of these contents, every file of the bundle but itself.

    Args:
        ports: those of the model, as `bundled_ports` gives them.
    """
    specs = {spec.input: spec for spec in preprocessing}
    pairs = [(port, _source(port, specs, len(ports.inputs))) for port in ports.inputs]
    inputs = [
        {"name": port.name, "from": source, "shape": list(port.shape), "dtype": port.dtype.name}
        for port, source in pairs
    ]
    [answer], batch = ports.outputs, _batch(ports.inputs[0])
    document = {
        "schema": core.SEALED,
        "needs_kdeploy": NEEDS_KDEPLOY,
        "name": name,
        "model": {"file": core.MODEL, "inputs": inputs, "output": answer.name, "batch": batch},
        **({} if outputs == "classes" else {"outputs": outputs}),
        "formats": dict(sorted(formats.items())),
        "golden_atol": atol,
        "tested_with": dict(sorted(versions.items())),
        "files": {
            path: {"sealed": True} if path == core.TIMINGS else _promise(content)
            for path, content in sorted(contents.items())
        },
    }
    return core.sealed(document)


def _promise(content: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def bundled_ports(model: Path) -> Ports:
    """The inputs of an ONNX file, of one batch, and the one output that is its answer.

    Raises: ModelError when a bundle cannot hold it: weights outside the file, other types than float32 and uint8,
        inputs with different batches, several outputs of which none is called logits.
    """
    import onnx

    where = str(model)
    try:
        graph = header(model)
    except ModelError as exc:
        raise ModelError(where, "must be an ONNX file", got=type(exc.__cause__).__name__) from exc
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in graph.graph.initializer):
        advice = "Export it again with external_data=False."
        raise ModelError(where, "must hold its weights itself", got="weights in another file", advice=advice)
    ports = of_graph(graph)
    for port in ports.inputs:
        _check_type(port, where)
    batches = {_batch(port) for port in ports.inputs}
    if len(batches) != 1:
        got = f"{len(ports.inputs)} inputs, {batches}"
        raise ModelError(where, "must have one batch size for all inputs", got=got)
    return Ports(ports.inputs, (_answer(ports.outputs, where),))


def _check_type(port: Port, where: str) -> None:
    from onnx import TensorProto
    from onnx.helper import np_dtype_to_tensor_dtype

    if port.dtype.name not in ("float32", "uint8"):
        kind = TensorProto.UNDEFINED if port.dtype.kind == "V" else np_dtype_to_tensor_dtype(port.dtype)
        got = TensorProto.DataType.Name(kind)
        raise ModelError(where, f"input {core.printable(port.name)} must be float32 or uint8", got=got)


def _batch(port: Port) -> int | None:
    """The batch that a model fixes; None where it takes any."""
    return port.shape[0] if port.shape else 1


def _answer(outputs: Sequence[Port], where: str) -> Port:
    named = outputs if len(outputs) == 1 else [port for port in outputs if port.name == "logits"]
    if not named:
        got = core.printable(", ".join(port.name for port in outputs))
        raise ModelError(where, "must have one output, or one called logits", got=got)
    return named[0]


def _source(port: Port, specs: Mapping[str, Preprocessing], count: int) -> str:
    """The canonical input of an input of the model: the one of its name, or the only one."""
    source = next(iter(specs), "") if count == len(specs) == 1 else port.name
    where = f"model input {core.printable(port.name)}"
    if source not in specs:
        raise BundleError(where, "must have a preprocessing of its name", got=", ".join(specs) or "none")
    shape = specs[source].model_shape
    fits = len(port.shape) == len(shape) + 1 and all(
        length in (None, prepared) for length, prepared in zip(port.shape[1:], shape, strict=True)
    )
    if not fits:
        raise BundleError(where, f"must take samples of shape {shape}, as prepared", got=f"shape {port.shape}")
    return source
