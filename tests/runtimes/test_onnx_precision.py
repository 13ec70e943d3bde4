from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from kdeploy.errors import ModelError
from kdeploy.runtimes.onnxruntime import OnnxRuntime
from kdeploy.runtimes.protocol import NotOffered, Refused, Source
from kdeploy.runtimes.reference import Reference
from tests.runtimes.conftest import calibrated, conv_linear_model, saved_source, two_input_model

ANSWER = """
import sys
import numpy
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
numpy.savez(sys.argv[3], *session.run(None, dict(numpy.load(sys.argv[2]))))
"""


def kinds(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


def weights(path: Path) -> int:
    """Bytes of all stored tensors."""
    return sum(onnx.numpy_helper.to_array(tensor).nbytes for tensor in onnx.load(path).graph.initializer)


def largest_error(source: Source, artefact: Path) -> tuple[float, float]:
    """Over all outputs, against ONNX's own evaluator, and the largest output."""
    exact = Reference().load(source.onnx, threads=1).run(source.example)
    found = OnnxRuntime().load(artefact, threads=1).run(source.example)
    assert {name: array.dtype for name, array in found.items()} == {name: np.dtype("f4") for name in exact}
    return (
        max(float(np.abs(found[name] - exact[name]).max()) for name in exact),
        max(float(np.abs(array).max()) for array in exact.values()),
    )


def test_half_floats_take_half_the_room_and_eleven_bits(source: Source, folder: Path):
    artefact = OnnxRuntime().convert(source, folder, precision="fp16")
    assert weights(artefact) < 0.55 * weights(source.onnx)
    error, scale = largest_error(source, artefact)
    # a rounding is 2^-11 of a value; sums of 64 products and the sum of ten logits stay below 20 of them
    assert 0 < error <= 20 * 2**-11 * scale
    assert OnnxRuntime().load(artefact, threads=1).settings["precision"] == "fp16"


def test_int8_rounds_weights_and_activations_and_gives_floats(source: Source, folder: Path):
    artefact = OnnxRuntime().convert(calibrated(source), folder, precision="int8")
    assert weights(artefact) < 0.5 * weights(source.onnx)
    error, scale = largest_error(source, artefact)
    # 8 bits through two layers: a few percent of the largest output
    assert 0 < error <= 0.05 * scale
    assert OnnxRuntime().load(artefact, threads=1).settings["precision"] == "int8"


def test_no_output_of_the_graph_is_rounded(source: Source, folder: Path):
    artefact = OnnxRuntime().convert(calibrated(source), folder, precision="int8")
    model = onnx.load(artefact)
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    assert [makers[value.name] for value in model.graph.output] == ["Gemm", "ReduceSum"]
    read = {name for node in model.graph.node for name in node.input}
    assert {tensor.name for tensor in model.graph.initializer} <= read


def test_int8_is_uint8_activations_and_int8_weights_with_a_scale_a_channel(source: Source, folder: Path):
    graph = onnx.load(OnnxRuntime().convert(calibrated(source), folder, precision="int8")).graph
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    convolution = next(node for node in graph.node if node.op_type == "Conv")
    activation, weight = (makers[name] for name in convolution.input[:2])
    assert stored[activation.input[2]].dtype == np.uint8
    assert stored[weight.input[0]].dtype == np.int8
    assert stored[weight.input[1]].shape == (4,)


@pytest.mark.parametrize("model", [conv_linear_model(), two_input_model()], ids=["conv_linear", "two_inputs"])
def test_weights_have_7_bits_so_that_two_products_fit_into_16(model: onnx.ModelProto, tmp_path: Path, folder: Path):
    source = calibrated(saved_source(model, tmp_path))
    stored = onnx.load(OnnxRuntime().convert(source, folder, precision="int8")).graph.initializer
    quantised = [array for array in map(onnx.numpy_helper.to_array, stored) if array.dtype == np.int8]
    assert max(int(np.abs(array.astype(int)).max()) for array in quantised) == 64
    assert 2 * 64 * np.iinfo(np.uint8).max <= np.iinfo(np.int16).max


def test_a_processor_without_vnni_gives_the_same_answers(source: Source, folder: Path, tmp_path: Path):
    emulator = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
    if emulator is None or platform.machine() != "x86_64":
        pytest.skip("qemu-x86_64 is not on PATH (Debian: qemu-user), or this is not an x86-64")
    artefact = OnnxRuntime().convert(calibrated(source), folder, precision="int8")
    inputs = {"image": np.random.default_rng(11).standard_normal((64, 1, 8, 8)).astype("f4")}
    np.savez(tmp_path / "inputs.npz", **inputs)
    command = [emulator, "-cpu", "Haswell", sys.executable, "-c", ANSWER, artefact, tmp_path / "inputs.npz"]
    done = subprocess.run([*command, tmp_path / "there.npz"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    here = OnnxRuntime().load(artefact, threads=1).run(inputs)["logits"]
    there = np.load(tmp_path / "there.npz")["arr_0"]
    # what is int8 is the same to the bit; the last sums may be taken in another order
    assert np.abs(here - there).max() <= 1e-5 * np.abs(here).max()


def test_the_same_inputs_give_the_same_bytes(source: Source, tmp_path: Path):
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        found.append(OnnxRuntime().convert(calibrated(source), tmp_path / name, precision="int8").read_bytes())
    assert found[0] == found[1]


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_file_is_plain_onnx_of_the_domains_it_uses(source: Source, folder: Path, precision: str):
    model = onnx.load(OnnxRuntime().convert(calibrated(source), folder, precision=precision))
    assert [(item.domain, item.version) for item in model.opset_import] == [("", 18)]
    assert {prop.key: prop.value for prop in model.metadata_props} == {"kdeploy.precision": precision}


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_model_of_two_inputs_converts_too(tmp_path: Path, folder: Path, precision: str):
    source = saved_source(two_input_model(), tmp_path)
    artefact = OnnxRuntime().convert(calibrated(source), folder, precision=precision)
    error, scale = largest_error(source, artefact)
    assert 0 < error <= 0.05 * scale


def test_any_batch_stays_any_batch(source: Source, folder: Path):
    session = OnnxRuntime().load(OnnxRuntime().convert(calibrated(source), folder, precision="int8"), threads=1)
    for rows in (1, 2, 3, 7):
        assert session.run({"image": np.zeros((rows, 1, 8, 8), "f4")})["logits"].shape == (rows, 10)


def test_the_model_that_it_is_made_from_stays_as_it_is(source: Source, folder: Path):
    before = source.onnx.read_bytes()
    for precision in ("fp16", "int8"):
        OnnxRuntime().convert(calibrated(source), folder, precision=precision)
    assert source.onnx.read_bytes() == before
    assert sorted(path.name for path in source.onnx.parent.iterdir()) == ["converted", "source.onnx"]


def test_int8_without_inputs_to_calibrate_on_is_refused(source: Source, folder: Path):
    with pytest.raises(Refused) as caught:
        OnnxRuntime().convert(source, folder, precision="int8")
    assert caught.value.reason == "int8 needs inputs to calibrate on, and there are none"


def test_bfloat16_is_not_offered(source: Source, folder: Path):
    with pytest.raises(NotOffered) as caught:
        OnnxRuntime().convert(source, folder, precision="bf16")
    assert caught.value.reason == "onnxruntime converts to fp32, fp16 and int8, not to bf16"


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_what_is_no_model_is_an_error_of_ours(tmp_path: Path, folder: Path, precision: str):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"garbage")
    with pytest.raises(ModelError) as caught:
        OnnxRuntime().convert(Source(path, None, {}, []), folder, precision=precision)
    assert caught.value.where == str(path)
    assert caught.value.must == f"must be a model that onnxruntime's tools convert to {precision}"


def test_calibration_decides_the_ranges(tmp_path: Path, folder: Path):
    source = calibrated(saved_source(conv_linear_model(), tmp_path))
    tiny = source._replace(calibration=[{"image": 1e-3 * np.ones((4, 1, 8, 8), "f4")}])
    wide, _ = largest_error(source, OnnxRuntime().convert(source, folder, precision="int8"))
    narrow, _ = largest_error(source, OnnxRuntime().convert(tiny, folder, precision="int8"))
    assert narrow > 10 * wide
