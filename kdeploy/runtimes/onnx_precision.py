"""An ONNX file in another precision, still an ONNX file.

fp16  weights and arithmetic in half floats, inputs and outputs as they were (onnxruntime's own converter)
int8  static, as QuantizeLinear and DequantizeLinear around each operator: activations uint8 with the range that
      calibration met, weights int8 with one scale a channel,

          q = clip(round(x / s) + z)        x' = (q - z) s

      (Jacob et al. 2018, section 2.1). uint8 with int8 and not int8 with int8, which onnxruntime runs 2.8 times slower.
      The last pair, around the logits, is taken out again: they are computed in float anyway, and 256 steps over the
      range of all logits made an error four times as large on the demo's student.

      Weights have 7 bits, -64 to 64. Processors without VNNI add two products in 16 bits and saturate, which shows on
      no other: 255 * 127 * 2 is above 2^15 - 1, and 255 * 64 * 2 = 32,640 is below. Measured on mnist-5k's teacher,
      2,000 inputs, onnxruntime 1.32: with 8 bits it agrees with fp32 on 94.45 % under a Haswell that qemu emulates and
      on 99.85 % where there is VNNI; with 7 bits on 99.70 % on both, with the same logits to the bit.

The file says what it is in its metadata, which a session can read back.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kdeploy.runtimes.border import calibrated, converting
from kdeploy.runtimes.onnxfile import rename
from kdeploy.runtimes.protocol import Arrays
from kdeploy.runtimes.scratch import scratch_folder

if TYPE_CHECKING:
    import onnx
    from onnxruntime.quantization import CalibrationDataReader

TAG = "kdeploy.precision"


def to_half(model: Path, artefact: Path) -> None:
    """Write the model in half floats."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    with _converting(model, "fp16"):
        half = convert_float_to_float16(onnx.load(model), keep_io_types=True)
        OnnxModel(half).topological_sort()  # the converter appends the casts of the inputs at the end
    _write(half, artefact, "fp16")


def to_int8(model: Path, artefact: Path, calibration: Iterable[Arrays] | None) -> None:
    """Write the model quantised with the ranges of its activations on the calibration inputs.

    Args:
        calibration: batches of arrays by the names of the inputs, in the shapes and dtypes that the model takes.
    Raises: Refused without calibration inputs.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    calibration = calibrated(calibration)
    with scratch_folder(str(model)) as scratch, _converting(model, "int8"):
        prepared, quantised = Path(scratch, "prepared.onnx"), Path(scratch, "quantised.onnx")
        quant_pre_process(model, prepared, skip_symbolic_shape=True)  # the symbolic one is for transformers
        quantize_static(
            prepared,
            quantised,
            _reader(calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            reduce_range=True,
        )
        int8_model = onnx.load(quantised)
    _float_outputs(int8_model)
    _write(int8_model, artefact, "int8")


def _reader(calibration: Iterable[Arrays]) -> CalibrationDataReader:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # no stubs
        def __init__(self) -> None:
            self._batches = iter(calibration)

        def get_next(self) -> dict[str, np.ndarray[Any, Any]] | None:
            batch = next(self._batches, None)
            return None if batch is None else dict(batch)

    return Reader()


def _float_outputs(model: onnx.ModelProto) -> None:
    """Take out the quantisation of the graph's outputs, and the initialisers that nobody reads any more."""
    makers = {name: node for node in model.graph.node for name in node.output}
    for value in model.graph.output:
        last = makers[value.name]
        if last.op_type != "DequantizeLinear" or makers[last.input[0]].op_type != "QuantizeLinear":
            continue
        rounded = makers[last.input[0]]
        exact = rounded.input[0]
        model.graph.node.remove(last)
        model.graph.node.remove(rounded)
        rename(model.graph, exact, value.name)
    names = {name for node in model.graph.node for name in node.input}
    tensors = [tensor for tensor in model.graph.initializer if tensor.name in names]
    del model.graph.initializer[:]
    model.graph.initializer.extend(tensors)


def _write(model: onnx.ModelProto, artefact: Path, precision: str) -> None:
    """Write a model with the domains of its nodes, not all that onnxruntime knows; the same bytes every time."""
    import onnx

    domains = {node.domain for node in model.graph.node}
    versions = [item for item in model.opset_import if item.domain in domains]
    del model.opset_import[:], model.metadata_props[:], model.graph.value_info[:]
    model.opset_import.extend(versions)
    onnx.helper.set_model_props(model, {TAG: precision})
    onnx.checker.check_model(model, full_check=True)
    artefact.write_bytes(model.SerializeToString(deterministic=True))


def _converting(model: Path, precision: str) -> AbstractContextManager[None]:
    return converting(str(model), f"must be a model that onnxruntime's tools convert to {precision}")
