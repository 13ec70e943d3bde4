"""Each number is worked out beside its assertion. The graphs are checked by ONNX Runtime where it has the operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdeploy.graphs.counting.count import Cost, count
from kdeploy.graphs.counting.formulas import FORMULAS
from kdeploy.graphs.counting.operators import WITHOUT_MULTIPLY_ADDS
from tests.graphs.counting.test_count import model_of, zeros

Shapes = Mapping[str, Sequence[int]]


def tried(
    operator: str,
    inputs: Shapes,
    weights: Sequence[onnx.TensorProto] = (),
    *,
    order: Sequence[str] = (),
    opset: int = 18,
    domain: str = "",
    kind: int = TensorProto.FLOAT,
    outputs: int = 1,
    **attributes: object,
) -> Cost:
    """The count of one node, whose shapes are those that ONNX Runtime gives."""
    names = list(order) or [*inputs, *(tensor.name for tensor in weights)]
    node = helper.make_node(operator, names, ["y", *map(str, range(1, outputs))], domain=domain, **attributes)
    graph = helper.make_graph(
        [node],
        "tried",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_empty_tensor_value_info("y")],
        weights,
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    cost = count(model, {name: tuple(shape) for name, shape in inputs.items()})
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    given = session.run(["y"], {name: np.zeros(shape, dtype) for name, shape in inputs.items()})[0]
    assert [layer.output_shape for layer in cost.layers] in ([], [given.shape])
    assert (cost.coverage, cost.uncounted) == (1, {})
    return cost


def scalar(name: str, value: float, dtype: str = "float32") -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(value, dtype), name)


class TestRecurrent:
    def test_one_lstm_worked_by_hand(self):
        # 4 gates of 5 rows, each over 3 inputs and 5 states: 4 x 5 x (3 + 5) = 160 a step and row; 7 steps, 2 rows
        cost = tried("LSTM", {"x": (7, 2, 3)}, [zeros("w", 1, 20, 3), zeros("r", 1, 20, 5)], hidden_size=5)
        assert cost.multiply_adds == 7 * 2 * 4 * 5 * (3 + 5) == 2240
        assert cost.parameters == 160

    def test_both_directions_and_the_biases(self):
        weights = [zeros("w", 2, 20, 3), zeros("r", 2, 20, 5), zeros("b", 2, 40)]
        cost = tried("LSTM", {"x": (7, 2, 3)}, weights, hidden_size=5, direction="bidirectional")
        assert cost.multiply_adds == 2 * 2240
        assert cost.parameters == 320 + 80

    def test_peepholes_are_parameters_and_no_sum(self):
        weights = [zeros("w", 1, 20, 3), zeros("r", 1, 20, 5), zeros("p", 1, 15)]
        order = ["x", "w", "r", "", "", "", "", "p"]
        cost = tried("LSTM", {"x": (7, 2, 3)}, weights, order=order, hidden_size=5)
        assert (cost.multiply_adds, cost.parameters) == (2240, 175)

    @pytest.mark.parametrize("after", [0, 1])
    def test_a_gru_has_three_gates_wherever_it_resets(self, after: int):
        weights = [zeros("w", 1, 15, 3), zeros("r", 1, 15, 5)]
        cost = tried("GRU", {"x": (7, 2, 3)}, weights, hidden_size=5, linear_before_reset=after)
        assert cost.multiply_adds == 7 * 2 * 3 * 5 * (3 + 5)

    def test_a_plain_recurrent_net_has_one(self):
        cost = tried("RNN", {"x": (7, 2, 3)}, [zeros("w", 1, 5, 3), zeros("r", 1, 5, 5)], hidden_size=5)
        assert cost.multiply_adds == 7 * 2 * 5 * (3 + 5)


class TestAttention:
    def test_one_block_worked_by_hand(self):
        # batch 2, 6 queries, 9 keys, 4 heads of 8: Q K^T is 2 x 4 x 6 x 9 x 8 = 3456, times V the same
        cost = tried(
            "Attention",
            {"q": (2, 6, 32), "k": (2, 9, 32), "v": (2, 9, 32)},
            opset=23,
            q_num_heads=4,
            kv_num_heads=4,
        )
        assert cost.multiply_adds == 2 * (2 * 4 * 6 * 9 * 8) == 6912

    def test_four_axes_shared_keys_and_narrow_values(self):
        # 4 query heads share 2 heads of keys of 8 and values of 5
        inputs = {"q": (2, 4, 6, 8), "k": (2, 2, 9, 8), "v": (2, 2, 9, 5)}
        assert tried("Attention", inputs, opset=23).multiply_adds == 2 * 4 * 6 * 9 * (8 + 5)

    def test_the_past_is_looked_at_too(self):
        inputs = {"q": (1, 4, 1, 8), "k": (1, 4, 1, 8), "v": (1, 4, 1, 8), "pk": (1, 4, 5, 8), "pv": (1, 4, 5, 8)}
        order = ["q", "k", "v", "", "pk", "pv"]
        # one query, 5 keys of the past and its own
        assert tried("Attention", inputs, order=order, opset=23, outputs=3).multiply_adds == 4 * 6 * (8 + 8)

    def test_onnx_runtimes_own_projects_first(self):
        # 2 x 6 rows of 16 to Q, K, V of 32 each, then 4 heads of 8 over 6 keys
        cost = tried(
            "Attention",
            {"x": (2, 6, 16)},
            [zeros("w", 16, 96), zeros("b", 96)],
            domain="com.microsoft",
            num_heads=4,
        )
        assert cost.multiply_adds == 2 * 6 * 16 * 96 + 2 * (2 * 4 * 6 * 6 * 8)
        assert cost.parameters == 16 * 96 + 96

    def test_onnx_runtimes_own_with_widths_of_its_own(self):
        cost = tried(
            "Attention",
            {"x": (2, 6, 16)},
            [zeros("w", 16, 72), zeros("b", 72)],
            domain="com.microsoft",
            num_heads=4,
            qkv_hidden_sizes=[32, 32, 8],
        )
        assert cost.multiply_adds == 2 * 6 * 16 * 72 + 2 * 6 * 6 * (32 + 8)

    def test_onnx_runtimes_own_looks_at_the_past(self):
        weights = [zeros("w", 16, 96), zeros("b", 96)]
        inputs, order = {"x": (2, 1, 16), "past": (2, 2, 4, 5, 8)}, ["x", "w", "b", "", "past"]
        cost = tried("Attention", inputs, weights, order=order, domain="com.microsoft", num_heads=4, outputs=2)
        # one query, 5 keys of the past and its own
        assert cost.multiply_adds == 2 * 16 * 96 + 2 * (2 * 4 * 6 * 8)

    def test_many_heads_look_at_the_past(self):
        inputs = dict.fromkeys("qkv", (2, 1, 32)) | {"pk": (2, 4, 5, 8), "pv": (2, 4, 5, 8)}
        order = ["q", "k", "v", "", "", "", "pk", "pv"]
        cost = tried("MultiHeadAttention", inputs, order=order, domain="com.microsoft", num_heads=4, outputs=3)
        assert cost.multiply_adds == 2 * (2 * 4 * 6 * 8)

    @pytest.mark.parametrize(
        ("inputs", "multiply_adds"),
        [
            ({"q": (2, 6, 32), "k": (2, 9, 32), "v": (2, 9, 20)}, 2 * 6 * 9 * (32 + 20)),
            ({"q": (2, 6, 32), "k": (2, 4, 9, 8), "v": (2, 4, 9, 8)}, 2 * 6 * 9 * (32 + 32)),
        ],
    )
    def test_many_heads_of_three_axes_or_four(self, inputs: Shapes, multiply_adds: int):
        assert tried("MultiHeadAttention", inputs, domain="com.microsoft", num_heads=4).multiply_adds == multiply_adds

    @pytest.mark.parametrize(
        ("inputs", "multiply_adds"),
        [
            ({"q": (2, 6, 32), "kv": (2, 9, 4, 2, 8)}, 2 * 6 * 9 * (32 + 32)),
            ({"qkv": (2, 6, 4, 3, 8)}, 2 * 6 * 6 * (32 + 32)),
        ],
    )
    def test_many_heads_packed(self, inputs: Shapes, multiply_adds: int):
        """ONNX Runtime 1.32 computes these on a GPU alone."""
        node = helper.make_node("MultiHeadAttention", [*inputs], ["y"], domain="com.microsoft", num_heads=4)
        cost = count(model_of([node], inputs, domains=["com.microsoft"]), inputs)
        assert cost.multiply_adds == multiply_adds
        assert cost.layers[0].output_shape == (2, 6, 32)


class TestEinsum:
    @pytest.mark.parametrize(
        ("equation", "shapes", "multiply_adds"),
        [
            ("ij,jk->ik", [(2, 6), (6, 10)], 2 * 6 * 10),
            ("ij, jk", [(2, 6), (6, 10)], 2 * 6 * 10),  # what is not said twice is the output
            ("bhqd,bhkd->bhqk", [(2, 4, 6, 8), (2, 4, 9, 8)], 2 * 4 * 6 * 9 * 8),
            ("...ij,...jk->...ik", [(3, 2, 6), (3, 6, 10)], 3 * 2 * 6 * 10),
            ("...ij,...jk->...ik", [(3, 2, 6), (1, 6, 10)], 3 * 2 * 6 * 10),
            ("...ij,jk", [(3, 2, 6), (6, 10)], 3 * 2 * 6 * 10),
            ("i,i->", [(7,), (7,)], 7),
            ("i,j->ij", [(7,), (5,)], 0),  # no sum
            ("ij,ij->ij", [(7, 5), (7, 5)], 0),
            ("ij->ji", [(7, 5)], 0),
            ("ij->i", [(7, 5)], 0),  # additions alone
            # (2 x 6) (6 x 10), and then the 10 of it with 3
            ("ij,jk,kl->il", [(2, 6), (6, 10), (10, 3)], 2 * 6 * 10 + 2 * 10 * 3),
        ],
    )
    def test_the_product_of_all_lengths_where_one_is_summed(
        self, equation: str, shapes: list[tuple[int, ...]], multiply_adds: int
    ):
        inputs = {f"x{number}": shape for number, shape in enumerate(shapes)}
        assert tried("Einsum", inputs, equation=equation).multiply_adds == multiply_adds


class TestIntegers:
    def test_a_quantised_convolution(self):
        weights = [
            *(scalar("xs", 1), scalar("xz", 0, "uint8"), zeros("w", 6, 2, 3, 3, dtype="int8")),
            *(scalar("ws", 1), scalar("wz", 0, "int8"), scalar("ys", 1), scalar("yz", 0, "uint8")),
            zeros("b", 6, dtype="int32"),
        ]
        cost = tried("QLinearConv", {"x": (1, 4, 8, 8)}, weights, kind=TensorProto.UINT8, group=2, strides=[2, 2])
        # places: (8 - 3) // 2 + 1 = 3 each way; 4 / 2 input channels a group
        assert cost.multiply_adds == 6 * 3 * 3 * 2 * 9
        assert cost.parameters == 6 * 2 * 9 + 6

    def test_a_convolution_of_integers(self):
        weights = [zeros("w", 6, 4, 3, 3, dtype="uint8")]
        cost = tried("ConvInteger", {"x": (1, 4, 8, 8)}, weights, kind=TensorProto.UINT8)
        assert (cost.multiply_adds, cost.parameters) == (6 * 36 * 4 * 9, 6 * 4 * 9)

    def test_a_quantised_product(self):
        weights = [
            *(scalar("xs", 1), scalar("xz", 0, "uint8"), zeros("w", 5, 3, dtype="int8")),
            *(scalar("ws", 1), scalar("wz", 0, "int8"), scalar("ys", 1), scalar("yz", 0, "uint8")),
        ]
        cost = tried("QLinearMatMul", {"x": (7, 5)}, weights, kind=TensorProto.UINT8)
        assert (cost.multiply_adds, cost.parameters) == (7 * 3 * 5, 15)

    def test_a_product_of_integers(self):
        cost = tried("MatMulInteger", {"x": (2, 7, 5)}, [zeros("w", 5, 3, dtype="uint8")], kind=TensorProto.UINT8)
        assert (cost.multiply_adds, cost.parameters) == (2 * 7 * 3 * 5, 15)

    def test_onnx_runtimes_quantised_gemm(self):
        weights = [
            *(scalar("xs", 1), scalar("xz", 0, "uint8"), zeros("w", 3, 5, dtype="int8")),
            *(scalar("ws", 1), scalar("wz", 0, "int8"), zeros("c", 3, dtype="int32")),
        ]
        inputs, kind = {"x": (7, 5)}, TensorProto.UINT8
        cost = tried("QGemm", inputs, weights, kind=kind, domain="com.microsoft", transB=1)
        assert (cost.multiply_adds, cost.parameters) == (7 * 3 * 5, 15 + 3)

    def test_a_product_that_quantises_its_input(self):
        weights = [zeros("w", 5, 3, dtype="uint8"), scalar("ws", 1)]
        cost = tried("DynamicQuantizeMatMul", {"x": (7, 5)}, weights, domain="com.microsoft")
        assert (cost.multiply_adds, cost.parameters) == (7 * 3 * 5, 15)


class TestFused:
    def test_a_convolution_with_its_activation(self):
        weights = [zeros("w", 6, 4, 3, 3), zeros("b", 6)]
        cost = tried(
            "FusedConv", {"x": (2, 4, 8, 8)}, weights, domain="com.microsoft", activation="Relu", pads=[1, 1, 1, 1]
        )
        assert (cost.multiply_adds, cost.parameters) == (2 * 6 * 64 * 4 * 9, 6 * 4 * 9 + 6)

    def test_a_gemm_with_its_activation(self):
        weights = [zeros("w", 3, 5), zeros("b", 3)]
        cost = tried("FusedGemm", {"x": (7, 5)}, weights, domain="com.microsoft", activation="Relu", transB=1)
        assert (cost.multiply_adds, cost.parameters) == (7 * 3 * 5, 18)

    @pytest.mark.parametrize(
        ("left", "right", "attributes"),
        [
            ((2, 7, 5), (2, 5, 3), {}),
            ((2, 5, 7), (2, 5, 3), {"transA": 1}),
            ((2, 7, 5), (3, 5), {"transB": 1}),
            ((7, 2, 5), (2, 5, 3), {"transBatchA": 1}),
            ((5, 2, 7), (2, 5, 3), {"transA": 1, "transBatchA": 1}),
        ],
    )
    def test_a_product_with_its_transpositions(self, left, right, attributes: dict[str, int]):
        cost = tried("FusedMatMul", {"a": left, "b": right}, domain="com.microsoft", **attributes)
        assert cost.multiply_adds == 2 * 7 * 3 * 5

    def test_what_stands_behind_a_fused_operator_has_a_shape(self):
        """ONNX's inference stops at each of the two, and goes on from its shape."""
        nodes = [
            helper.make_node("FusedGemm", ["x", "w"], ["a"], domain="com.microsoft", activation="Relu"),
            helper.make_node("Reshape", ["a", "shape"], ["b"]),
            helper.make_node("FastGelu", ["b"], ["c"], domain="com.microsoft"),
            helper.make_node("MatMul", ["c", "v"], ["y"]),
        ]
        tensors = [zeros("w", 6, 10), numpy_helper.from_array(np.array([0, 2, 5]), "shape"), zeros("v", 5, 4)]
        model = model_of(nodes, {"x": ["rows", 6]}, tensors, domains=["com.microsoft"])
        cost = count(model, {"x": (3, 6)})
        assert [layer.multiply_adds for layer in cost.layers] == [3 * 6 * 10, 3 * 2 * 5 * 4]
        assert cost.coverage == 1


def test_a_deformable_convolution_counts_as_a_convolution():
    offsets = zeros("offset", 1, 2 * 9, 6, 6)
    node = helper.make_node("DeformConv", ["x", "w", "offset", "b"], ["y"], group=2)
    weights = [zeros("w", 6, 2, 3, 3), offsets, zeros("b", 6)]
    model = model_of([node], {"x": [1, 4, 8, 8]}, weights)
    model.opset_import[0].version = 19
    cost = count(model, {"x": (1, 4, 8, 8)})
    assert cost.layers[0].output_shape == (1, 6, 6, 6)
    assert (cost.multiply_adds, cost.parameters) == (6 * 36 * 2 * 9, 6 * 2 * 9 + 6)


@pytest.mark.parametrize(
    ("operator", "weights", "attributes"),
    [
        ("MaxPool", [], {"kernel_shape": [2, 2]}),
        ("AveragePool", [], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("GlobalAveragePool", [], {}),
        ("LayerNormalization", [zeros("scale", 8), zeros("shift", 8)], {}),
        ("InstanceNormalization", [zeros("scale", 4), zeros("shift", 4)], {}),
        ("BatchNormalization", [zeros(name, 4) for name in ("scale", "shift", "mean", "variance")], {}),
        ("Relu", [], {}),
        ("Softmax", [], {}),
        ("ReduceMean", [], {}),
    ],
)
def test_pooling_normalisation_and_activations_do_none(
    operator: str, weights: list[onnx.TensorProto], attributes: dict[str, object]
):
    cost = tried(operator, {"x": (1, 4, 8, 8)}, weights, **attributes)
    assert cost.multiply_adds == 0
    assert cost.parameters == sum(sum(tensor.dims) for tensor in weights[:2])


INTERPOLATION = "AffineGrid GridSample Resize RoiAlign Upsample"
TRANSFORMS = "DFT Det ImageDecoder MelWeightMatrix NonMaxSuppression STFT Unique"
RANDOM = "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike"
NO_TENSORS = """ConcatFromSequence If Loop Optional OptionalGetElement OptionalHasElement RegexFullMatch Scan SequenceAt
    SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength SequenceMap SplitToSequence StringConcat
    StringNormalizer StringSplit TfIdfVectorizer"""
LOSSES = "NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss"


def test_every_operator_of_onnx_is_known_but_these():
    """Of opset 23: what interpolates, transforms or draws is listed as uncounted in a model that has it."""
    names = {
        schema.name
        for schema in onnx.defs.get_all_schemas_with_history()
        if schema.domain == "" and schema.since_version <= 23
    }
    assert len(names) > 180
    uncounted = set(" ".join([INTERPOLATION, TRANSFORMS, RANDOM, NO_TENSORS, LOSSES]).split())
    assert names - set(FORMULAS) - WITHOUT_MULTIPLY_ADDS == uncounted


def test_no_operator_has_a_formula_and_none():
    assert len(FORMULAS) > 20
    assert not WITHOUT_MULTIPLY_ADDS & set(FORMULAS)
