"""Fold batch norm into the Conv, ConvTranspose or Gemm before it in an ONNX graph, with onnxscript's own rules.

The equation is that of `fold_batch_norm`; onnxscript computes it in float32, and the graph is proved afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnxscript import ir
from onnxscript.rewriter.pattern import RewriteRuleSet
from onnxscript.rewriter.rules.common import (
    fuse_batchnorm_into_conv_rule,
    fuse_batchnorm_into_conv_transpose_rule,
    fuse_batchnorm_into_gemm_rule,
)

from kdeploy.transforms.fuse_nodes import GraphOutcome

_RULES = RewriteRuleSet(
    [fuse_batchnorm_into_conv_rule, fuse_batchnorm_into_conv_transpose_rule, fuse_batchnorm_into_gemm_rule]
)


_LAYERS = frozenset(["Conv", "ConvTranspose", "Gemm"])
_BEHIND_NONE = "no convolution or Gemm stands right before it"


def fold_batch_norm_nodes(model: onnx.ModelProto) -> GraphOutcome:
    """Fold every batch norm that stands right behind such a node, whose weights may be those of Constant nodes.

    Refuses when there is none, and where something else reads what is between, or the weights are not constants of this
    layer alone.
    """
    norms = sum(node.op_type == "BatchNormalization" for node in model.graph.node)
    if not norms:
        return GraphOutcome(model, False, "the graph has no batch norm", applies=False)
    graph = ir.from_proto(model)
    ir.passes.common.LiftConstantsToInitializersPass(size_limit=0)(graph)
    folded = _RULES.apply_to_model(graph)
    left = [*dict.fromkeys(_reasons(graph))]
    if not folded:
        return GraphOutcome(model, False, f"no batch norm can be: {' and '.join(left)}")
    ir.passes.common.RemoveUnusedNodesPass()(graph)
    reason = f"{folded} of {norms} folded into the layers before them"
    return GraphOutcome(ir.to_proto(graph), True, f"{reason}; not the others: {' and '.join(left)}" if left else reason)


def _reasons(model: ir.Model) -> Iterator[str]:
    """Why each batch norm of a graph is still there, as a clause."""
    for norm in model.graph:
        if norm.op_type == "BatchNormalization":
            inner = norm.inputs[0]
            layer = None if inner is None else inner.producer()
            if inner is None or layer is None or layer.op_type not in _LAYERS:
                yield _BEHIND_NONE
            elif len(inner.uses()) > 1 or inner.is_graph_output():
                yield "something else reads what goes into it"
            else:
                yield _of_values(layer, norm)


def _of_values(layer: ir.Node, norm: ir.Node) -> str:
    """What is in the way among the values that two nodes read, of which the layer's own are changed."""
    for what, value in zip(("weight", "bias"), layer.inputs[1:], strict=False):
        if value is not None and not _is_constant(value):
            return f"the {what} of the layer before it is no constant"
        if value is not None and len(value.uses()) > 1:
            return f"the {what} of the layer before it is shared with another node"
    if not all(value is None or _is_constant(value) for value in norm.inputs[1:]):
        return "what it scales and shifts by is no constant"
    return "its layer is of a kind that is not folded"


def _is_constant(value: ir.Value) -> bool:
    return value.is_initializer() and value.const_value is not None and not value.is_graph_input()
