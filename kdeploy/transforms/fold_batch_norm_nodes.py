"""Fold batch norm into the Conv, ConvTranspose or Gemm before it in an ONNX graph, with onnxscript's own rules.

The equation is that of `fold_batch_norm`; onnxscript computes it in float32, and the graph is proved afterwards.
"""

from __future__ import annotations

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


def fold_batch_norm_nodes(model: onnx.ModelProto) -> GraphOutcome:
    """Fold every batch norm that stands right behind such a node.

    Refuses when there is none, and where something else reads what is between or the weights are not constants.
    """
    norms = sum(node.op_type == "BatchNormalization" for node in model.graph.node)
    graph = ir.from_proto(model)
    folded = _RULES.apply_to_model(graph)
    if not folded:
        what = "no batch norm stands alone behind a convolution or a Gemm" if norms else "the graph has no batch norm"
        return GraphOutcome(model, False, what, applies=norms > 0)
    ir.passes.common.RemoveUnusedNodesPass()(graph)
    return GraphOutcome(ir.to_proto(graph), True, f"{folded} of {norms} folded into the layers before them")
