"""Operators by what they do: those that do no multiply-add by definition, their names, what a node says of itself."""

from __future__ import annotations

from typing import Any

import onnx

Shape = tuple[int, ...]

STANDARD_DOMAINS = ("", "ai.onnx")

ACTIVATIONS = """Celu Clip Elu Erf Exp Gelu HardSigmoid HardSwish Hardmax LeakyRelu Log LogSoftmax Mish PRelu Relu Selu
    Shrink Sigmoid Softmax Softplus Softsign Swish Tanh ThresholdedRelu"""
ARITHMETIC = """Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor
    BlackmanWindow Ceil Cos Cosh Div Equal Floor Greater GreaterOrEqual HammingWindow HannWindow IsInf IsNaN Less
    LessOrEqual Max Mean Min Mod Mul Neg Not Or Pow Reciprocal RotaryEmbedding Round Sign Sin Sinh Sqrt Sub Sum Tan
    Where Xor"""
CONVERSIONS = "Cast CastLike DequantizeLinear DynamicQuantizeLinear QuantizeLinear"
MOVES = """CenterCropPad Compress Concat Constant ConstantOfShape DepthToSpace Dropout Expand EyeLike Flatten Gather
    GatherElements GatherND Identity NonZero OneHot Pad Range Reshape ReverseSequence Scatter ScatterElements ScatterND
    Shape Size Slice SpaceToDepth Split Squeeze Tile Transpose Trilu Unsqueeze"""
NORMS = """BatchNormalization GroupNormalization InstanceNormalization LayerNormalization LpNormalization LRN
    MeanVarianceNormalization RMSNormalization"""
REDUCTIONS = """ArgMax ArgMin AveragePool Col2Im CumSum GlobalAveragePool GlobalLpPool GlobalMaxPool LpPool MaxPool
    MaxRoiPool MaxUnpool ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
    ReduceSum ReduceSumSquare TopK"""

CONTRIBUTED = "com.microsoft"  # the domain of ONNX Runtime's own: docs/ContribOperators.md of its repository
_LIKE_THEIR_INPUT = """BiasGelu BiasSoftmax FastGelu Gelu QLinearAdd QLinearLeakyRelu QLinearMul QLinearSigmoid
    QLinearSoftmax QuickGelu RotaryEmbedding SkipLayerNormalization SkipSimplifiedLayerNormalization"""
# their output has the shape of their first input
LIKE_THEIR_INPUT = frozenset(f"{CONTRIBUTED}::{name}" for name in _LIKE_THEIR_INPUT.split())
WITHOUT_MULTIPLY_ADDS = LIKE_THEIR_INPUT.union(
    " ".join([ACTIVATIONS, ARITHMETIC, CONVERSIONS, MOVES, NORMS, REDUCTIONS]).split()
)


def operator(node: onnx.NodeProto) -> str:
    """The name of a node's operator: `Conv`; `com.microsoft::FusedConv` for one of another domain than ONNX's."""
    return str(node.op_type) if node.domain in STANDARD_DOMAINS else f"{node.domain}::{node.op_type}"


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """The values of a node's attributes, by name."""
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def has_input(node: onnx.NodeProto, index: int) -> bool:
    """Whether a node has the optional input of this index."""
    return len(node.input) > index and bool(node.input[index])
