"""Teacher and student through every runtime here that takes ONNX files, batch 1, one thread, with pytest-benchmark.

    pytest benchmarks/test_models.py --benchmark-group-by=group
    KDEPLOY_BENCH_RUN=FOLDER pytest benchmarks/test_models.py     # FOLDER holds teacher.onnx and student.onnx

Without a folder, stand-ins of the shapes of the `mnist-5k` recipe with random weights are measured. This is one process
and no interleaving: good for watching one model over time. For a claim about two models use `kdeploy bench`.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdeploy.errors import MissingError
from kdeploy.runtimes import installed
from kdeploy.runtimes.protocol import Refused, Session, Source

IMAGE = (1, 28, 28)
CLASSES = 10


class Chain:
    """Builds a graph in which every node reads the one before it."""

    def __init__(self) -> None:
        self._generator = np.random.default_rng(0)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._last = "input"

    def add(self, operator: str, *weights: tuple[int, ...], **attributes: object) -> Chain:
        """A node; every weight is given by its shape and scaled to keep activations of the order of 1."""
        names = [self._weight(shape) for shape in weights]
        output = f"value{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, [self._last, *names], [output], **attributes))
        self._last = output
        return self

    def conv(self, inputs: int, outputs: int, kernel: int) -> Chain:
        pads = [kernel // 2] * 4
        self.add("Conv", (outputs, inputs, kernel, kernel), (outputs,), kernel_shape=[kernel, kernel], pads=pads)
        return self.add("Relu")

    def pool(self) -> Chain:
        return self.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])

    def linear(self, inputs: int, outputs: int) -> Chain:
        return self.add("Gemm", (outputs, inputs), (outputs,), transB=1)

    def model(self) -> onnx.ModelProto:
        inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *IMAGE])]
        outputs = [helper.make_tensor_value_info(self._last, TensorProto.FLOAT, ["batch", CLASSES])]
        graph = helper.make_graph(self._nodes, "stand-in", inputs, outputs, self._weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)

    def _weight(self, shape: tuple[int, ...]) -> str:
        name = f"weight{len(self._weights)}"
        scale = np.sqrt(2 / max(1, np.prod(shape[1:])))
        values = (self._generator.standard_normal(shape) * scale).astype(np.float32)
        self._weights.append(numpy_helper.from_array(values, name))
        return name


def stand_in_teacher() -> onnx.ModelProto:
    """3x3 convolutions 32, 32, pool, 64, 64, pool, 128, 128, global average pooling, 10 classes."""
    chain = Chain().conv(1, 32, 3).conv(32, 32, 3).pool().conv(32, 64, 3).conv(64, 64, 3).pool()
    chain = chain.conv(64, 128, 3).conv(128, 128, 3).add("GlobalAveragePool").add("Flatten")
    return chain.linear(128, CLASSES).model()


def stand_in_student() -> onnx.ModelProto:
    """5x5 convolution 32, pool, linear bottleneck 64, 512 rectified units, 10 classes."""
    chain = Chain().conv(1, 32, 5).pool().add("Flatten").linear(32 * 14 * 14, 64)
    return chain.linear(64, 512).add("Relu").linear(512, CLASSES).model()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where teacher.onnx and student.onnx are."""
    given = os.environ.get("KDEPLOY_BENCH_RUN")
    if given:
        return Path(given)
    made = tmp_path_factory.mktemp("models")
    onnx.save(stand_in_teacher(), made / "teacher.onnx")
    onnx.save(stand_in_student(), made / "student.onnx")
    return made


def one_sample(model: Path) -> dict[str, np.ndarray]:
    """One random input in the shape the graph declares, free lengths taken as 1."""
    graph = onnx.load(model, load_external_data=False).graph
    generator, inputs = np.random.default_rng(0), {}
    for value in graph.input:
        tensor = value.type.tensor_type
        shape = [axis.dim_value or 1 for axis in tensor.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        inputs[value.name] = (generator.random(shape) * (255 if dtype == np.uint8 else 1)).astype(dtype)
    return inputs


@pytest.mark.parametrize("model", ["teacher", "student"])
@pytest.mark.parametrize("runtime", installed.names())
def test_latency_of_one_sample(benchmark, folder: Path, tmp_path: Path, runtime: str, model: str) -> None:
    if runtime == "reference":
        pytest.skip("the reference evaluator proves correctness; its time means nothing")
    benchmark.group = runtime
    inputs = one_sample(folder / f"{model}.onnx")
    source = Source(onnx=folder / f"{model}.onnx", module=None, example=inputs, calibration=None)
    with closing(opened(runtime, source, tmp_path)) as session:
        benchmark.extra_info |= {"runtime": installed.find(runtime).version(), "model": model, **session.settings}
        outputs = benchmark(session.run, inputs)
    assert all(np.isfinite(array).all() for array in outputs.values())


def opened(runtime: str, source: Source, folder: Path) -> Session:
    """The model in a runtime, or a skip that says why it cannot be."""
    try:
        engine = installed.find(runtime)
        return engine.load(engine.convert(source, folder, precision="fp32"), threads=1)
    except MissingError as missing:
        pytest.skip(f"{runtime} is not here: {missing.advice}")
    except Refused as refusal:
        pytest.skip(f"{runtime} does not take an ONNX file: {refusal.reason}")
