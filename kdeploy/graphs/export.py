"""A torch module to one ONNX file: opset 18, dynamic batch, weights inside, the same bytes every time.

Train mode, randomness and a baked-in batch export without a word; so the module is checked before, the graph after.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from torch import nn

from kdeploy.errors import ModelError, ParityError
from kdeploy.system.files import commit_bytes
from kdeploy.system.user_code import calling

OPSET = 18
OUTPUT = "logits"
LIMIT_BYTES = 3 << 29  # 1.5 GiB: protobuf ends at 2 GiB
_RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}


def write(module: nn.Module, path: Path, *, input_name: str, shape: Sequence[int], called: str | None = None) -> None:
    """Export a module.

    Args:
        module: in evaluation mode; one input float32 (batch, *shape), logits (batch, classes) out.
        path: replaced atomically.
        input_name: of the graph's input; its output is called `logits`.
        shape: of one input, without the batch.
        called: what messages call the module; the path when left out.
    Raises: ParityError for a module in training mode, with random operators, or of another opset than 18; ModelError
        when torch cannot export it.
    """
    where = called or str(path)
    training = next((name for name, part in module.named_modules() if part.training), None)
    if training is not None:
        got = f"layer {training!r} is in training mode" if training else "it is in training mode"
        raise ParityError(where, "must be exported in evaluation mode", got=got)
    size = sum(value.numel() * value.element_size() for value in module.state_dict().values())
    if size > LIMIT_BYTES:
        raise ModelError(where, f"must have at most {LIMIT_BYTES} bytes of weights", got=f"{size} bytes")
    with calling(where, "must be a network that torch can export"):  # it may leave where torch looks at it
        model = _exported(module, where, input_name, shape)
    _plain(model)
    _must_be_deployable(model, where)
    commit_bytes(path, model.SerializeToString(deterministic=True))


def _exported(module: nn.Module, where: str, input_name: str, shape: Sequence[int]) -> onnx.ModelProto:
    # batch 3: an example of one row may be taken for a constant
    example = torch.zeros(3, *shape)
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)  # it lists operators of packages that nobody uses here
    try:
        # the exporter prints its progress to stdout, which belongs to --json
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                external_data=False,
                opset_version=OPSET,
                input_names=[input_name],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
    except Exception as exc:
        # torch raises many classes here, around the one that says why; the sentence that helps is its first line
        why = str(exc.__cause__ or exc).strip().partition("\n")[0]
        raise ModelError(where, "must be a network that torch can export", got=why) from exc
    finally:
        log.setLevel(level)
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    return model


def _plain(model: onnx.ModelProto) -> None:
    """Drop what describes the exporter's process (names of files, stack traces): the bytes depend on the network
    alone."""
    graph = model.graph
    model.producer_name, model.producer_version, model.doc_string = "kdeploy", "", ""
    graph.name, graph.doc_string = "kdeploy", ""
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    del graph.value_info[:]


def _must_be_deployable(model: onnx.ModelProto, where: str) -> None:
    opset = {item.domain or "ai.onnx": item.version for item in model.opset_import}
    if opset != {"ai.onnx": OPSET}:
        raise ParityError(where, f"must be ONNX opset {OPSET}", got=str(opset))
    for node in model.graph.node:
        training = any(item.name == "training_mode" and item.i for item in node.attribute)
        if node.op_type in _RANDOM or node.op_type == "Dropout" or training:
            raise ParityError(
                where, "must not be random or in training mode", got=f"node {node.name!r} is {node.op_type}"
            )
    for value in (*model.graph.input, *model.graph.output):
        dims = value.type.tensor_type.shape.dim
        if not dims or not dims[0].dim_param:
            raise ParityError(where, "must have a dynamic batch", got=f"{value.name!r} has a fixed one")
    onnx.checker.check_model(model, full_check=True)
