"""Two tiny models, their inputs, and settings under which a benchmark takes about a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdeploy.timing.request import ArmRequest, ComparisonRequest, NoiseLimits, Request, Settings

# what these tests run on may be as busy as it likes
BLIND = NoiseLimits(
    **dict.fromkeys(("block_steal", "run_steal", "block_wait", "run_wait", "block_frequency"), 1e9),
    **dict.fromkeys(("block_switches_per_s", "run_faults", "run_void", "run_unsteady", "run_drift"), 1e9),
    **dict.fromkeys(("timer_steps", "timer_pairs"), 0),
)
HASTY = Settings(
    looks=(1,),
    block_ns=1_000_000,
    warm_up_calls=5,
    warm_up_ns=1_000_000,
    warm_up_limit_ns=50_000_000,
    limits=BLIND,
)


def linear(seed: int) -> onnx.ModelProto:
    """y = x W, from 4 inputs to 3 outputs."""
    weight = np.random.default_rng(seed).standard_normal((4, 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(weight, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.fixture
def tiny(tmp_path: Path) -> Request:
    """Two linear models with their true outputs, one replicate."""
    inputs = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
    np.savez(tmp_path / "inputs.npz", x=inputs)
    arms = []
    for seed, name in enumerate(("teacher", "student")):
        model = linear(seed)
        onnx.save(model, tmp_path / f"{name}.onnx")
        weight = numpy_helper.to_array(model.graph.initializer[0])
        np.savez(tmp_path / f"{name}.npz", y=inputs @ weight)
        arms.append(
            ArmRequest(
                model=name,
                artefact=tmp_path / f"{name}.onnx",
                inputs=tmp_path / "inputs.npz",
                expected=tmp_path / f"{name}.npz",
            )
        )
    asked = ComparisonRequest(baseline=arms[0], candidate=arms[1], runtime="onnxruntime")
    return Request(comparisons=(asked,), settings=HASTY, command=("kdeploy", "bench"))


def with_candidate(request: Request, **changes: object) -> Request:
    """The same request with another candidate."""
    asked = request.comparisons[0]
    candidate = asked.candidate.model_copy(update=changes)
    return request.model_copy(update={"comparisons": (asked.model_copy(update={"candidate": candidate}),)})
