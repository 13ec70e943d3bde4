"""Every hostile file of the table, in this process: what is refused, as what, in which sentence."""

from __future__ import annotations

import hashlib
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, numpy_helper

from kdeploy.errors import IntegrityError, KdeployError, ModelError, ResourceError
from kdeploy.graphs.inspector.contents import inspect_contents
from kdeploy.graphs.inspector.record import Inspection, InspectionLimits, Value
from tests.graphs.inspector import hostile
from tests.graphs.inspector.hostile import bare, good, model, node, unary, value
from tests.models.test_classifier import linear_model
from tests.runtimes.conftest import conv_linear_model, two_input_model

AGAIN = "Export the model again."
BESIDE = "Put the side file itself beside the model, and name it without a folder."
WHOLE = "Fetch the model and its side files again."
NEWEST, NEWEST_IR = onnx.defs.onnx_opset_version(), onnx.IR_VERSION


def inspected(found: onnx.ModelProto | bytes, folder: Path) -> Inspection:
    return inspect_contents(hostile.write(found, folder / "model.onnx"), InspectionLimits())


def refusal(found: onnx.ModelProto | bytes, folder: Path, kind: type[KdeployError] = ModelError) -> str:
    """The sentence of a refusal, without the path in front."""
    with pytest.raises(kind) as caught:
        inspected(found, folder)
    assert type(caught.value) is kind
    where, _, rest = str(caught.value).partition(": ")
    assert where == str(folder / "model.onnx")
    return rest


def test_a_good_model_becomes_a_record(tmp_path):
    assert inspected(good(), tmp_path) == Inspection(
        opset=18,
        ir_version=10,
        inputs=(Value(name="x", dtype="float32", shape=("rows", 3)),),
        outputs=(Value(name="y", dtype="float32", shape=("rows", 2)),),
        operators={"MatMul": 1},
        left_out=0,
        weights_bytes=24,
        activation_bytes=20,  # one row: 3 floats in, 2 out
        side_files=(),
        unrepeatable=(),
    )


@pytest.mark.parametrize("found", [conv_linear_model(), conv_linear_model(rows=2), two_input_model()])
def test_the_good_models_of_other_tests_pass(found, tmp_path):
    assert inspected(found, tmp_path).opset == 18


def test_a_weight_that_is_an_input_too_is_no_input(tmp_path):
    path = linear_model(tmp_path / "model.onnx", weight_as_input=True)
    assert [each.name for each in inspect_contents(path, InspectionLimits()).inputs] == ["x"]


def test_the_newest_and_the_oldest_versions_pass(tmp_path):
    assert inspected(good(opset=NEWEST, ir_version=NEWEST_IR), tmp_path).opset == NEWEST
    assert inspected(good(opset=7, ir_version=4), tmp_path).ir_version == 4


@pytest.mark.parametrize(
    "content",
    [b"hello, this is text\n" * 9, bytes(range(256)), bytes(64), good().SerializeToString()[:-40]],
    ids=["text", "random", "zeros", "truncated"],
)
def test_what_is_not_protobuf_is_refused(content, tmp_path):
    cause = "Error parsing message with type 'onnx.ModelProto': Wire format was corrupt"
    assert refusal(content, tmp_path) == f"must be an ONNX model ({cause}). {AGAIN}"


def test_what_follows_a_model_in_its_file_is_refused(tmp_path):
    content = good().SerializeToString() + b"\x82\x7d\x03abc"  # a well-formed field 2000
    assert refusal(content, tmp_path) == f"must be an ONNX model (unknown field 2000). {AGAIN}"


def test_a_model_without_a_graph_is_refused(tmp_path):
    found = onnx.ModelProto(ir_version=10)
    assert refusal(found, tmp_path) == f"must be an ONNX model (no graph). {AGAIN}"


@pytest.mark.parametrize("opset", [0, 6, NEWEST + 1, 9999])
def test_an_opset_out_of_range_is_refused_with_the_range(opset, tmp_path):
    expected = f"must have one ONNX opset from 7 to {NEWEST} ({opset}). Export it for a version in that range."
    assert refusal(good(opset=opset), tmp_path) == expected


def test_the_same_opset_twice_is_one(tmp_path):
    twice = good()
    twice.opset_import.add(domain="ai.onnx", version=18)
    assert inspected(twice, tmp_path).opset == 18


def test_a_length_of_minus_1_is_free(tmp_path):
    free = good()
    free.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    free.graph.output[0].type.tensor_type.shape.dim[0].dim_value = -1
    found = inspected(free, tmp_path)
    assert (found.inputs[0].shape, found.outputs[0].shape) == ((None, 3), (None, 2))


def test_two_opsets_are_refused(tmp_path):
    expected = f"must have one ONNX opset from 7 to {NEWEST} (1, 18). Export it for a version in that range."
    assert refusal(good(domains=["ai.onnx"]), tmp_path) == expected


def test_an_ir_version_out_of_range_is_refused_with_the_range(tmp_path):
    expected = f"must have one ONNX IR version from 3 to {NEWEST_IR} (9999). Export it for a version in that range."
    assert refusal(good(ir_version=9999), tmp_path) == expected


def test_functions_are_refused(tmp_path):
    expected = "must be a plain graph (functions of its own). Export it with its functions inlined."
    assert refusal(hostile.with_function(), tmp_path) == expected


def test_training_information_is_refused(tmp_path):
    found = hostile.changed(lambda made: made.training_info.add())
    expected = "must be a plain graph (training information). Export it with its functions inlined."
    assert refusal(found, tmp_path) == expected


@pytest.mark.parametrize("domain", ["my.domain", "com.microsoft"])
def test_an_operator_of_another_domain_is_refused_by_name(domain, tmp_path):
    advice = "Operators of other domains run in one runtime only: export it with standard ones."
    expected = f"node 'gelu' ({domain}::Gelu) must be of ONNX's own domain ('{domain}'). {advice}"
    assert refusal(unary("Gelu", domain=domain), tmp_path) == expected


def test_shapes_that_only_some_lengths_make_consistent_are_said_to_be_those(tmp_path):
    read = [value("x", ["rows", "wide"])]
    found = refusal(good(inputs=read), tmp_path)  # the weight has 3 rows
    assert found.startswith("must have consistent shapes, each free length but the batch being 224 (")
    assert found.endswith("). Export it with fixed lengths; only the batch may be free.")


PROBABILITIES = "Convert it with the option `zipmap=False` and keep the probabilities as the only output"
LINEAR = f"{PROBABILITIES}, with standard operators: `black_op={{'LinearClassifier', 'Normalizer'}}` of skl2onnx."


@pytest.mark.parametrize(
    ("operators", "advice"),
    [
        (
            ["TreeEnsembleClassifier", "Normalizer", "ZipMap"],
            "Trees are not read yet: of classical models, linear ones and networks are.",
        ),
        (
            ["SVMClassifier"],
            "Support vector machines are not read yet: of classical models, linear ones and networks are.",
        ),
        (["LinearClassifier", "Normalizer", "ZipMap"], LINEAR),
        (["ArrayFeatureExtractor"], f"{PROBABILITIES}: what names classes is left out then."),
    ],
)
def test_what_to_do_about_classical_models_is_said(operators: list[str], advice: str, tmp_path):
    names = ["x", *(f"h{number}" for number in range(1, len(operators))), "y"]
    chain = [
        node(operator, [read], given, domain="ai.onnx.ml")
        for operator, (read, given) in zip(operators, pairwise(names), strict=True)
    ]
    where = f"node '{operators[0].lower()}' (ai.onnx.ml::{operators[0]})"
    expected = f"{where} must be of ONNX's own domain ('ai.onnx.ml'). {advice}"
    assert refusal(model(chain, domains=["ai.onnx.ml"]), tmp_path) == expected


@pytest.mark.parametrize("operator", ["Gelu", "If", "ConcatFromSequence", "RandomNormalLike"])
def test_a_node_that_no_output_needs_is_left_out(operator: str, tmp_path):
    found = good(domains=["my.domain"])
    found.graph.node.append(node(operator, ["y"], "unread", domain="my.domain" if operator == "Gelu" else ""))
    inspection = inspected(found, tmp_path)
    assert (inspection.left_out, inspection.operators, inspection.unrepeatable) == (1, {"MatMul": 1}, ())


@pytest.mark.parametrize("output", [onnx.ValueInfoProto(name="y"), value("y", None), value("y", ["rows", None])])
def test_what_is_not_said_of_an_output_is_inferred(output: onnx.ValueInfoProto, tmp_path):
    [found] = inspected(good(outputs=[output]), tmp_path).outputs
    assert (found.dtype, found.shape[1:]) == ("float32", (2,))


def test_an_operator_that_onnx_does_not_know_is_refused_by_its_checker(tmp_path):
    cause = (
        "No Op registered for Foo with domain_version of 18 ==> Context: Bad node spec for node. Name: foo OpType: Foo"
    )
    assert refusal(unary("Foo"), tmp_path) == f"must pass ONNX's checker ({cause}). {AGAIN}"


@pytest.mark.parametrize(
    ("found", "what"),
    [(hostile.endless_loop(), "node 'loop' (Loop)"), (hostile.nested_ifs(20), "node 'y' (If)")],
    ids=["loop", "ifs"],
)
def test_control_flow_is_refused(found, what, tmp_path):
    expected = f"{what} must not be control flow. Export a graph without If, Loop and Scan."
    assert refusal(found, tmp_path) == expected


def test_a_graph_hidden_in_an_attribute_of_another_type_is_refused(tmp_path):
    found = unary("Relu")
    hidden = found.graph.node[0].attribute.add(name="body", type=onnx.AttributeProto.INT)
    hidden.g.CopyFrom(good().graph)
    expected = "node 'relu' (Relu) must not be control flow. Export a graph without If, Loop and Scan."
    assert refusal(found, tmp_path) == expected


def test_a_hundred_nested_ifs_are_too_deep_to_parse(tmp_path):
    cause = "Error parsing message with type 'onnx.ModelProto': Exceeded upb_DecodeOptions_MaxDepth"
    assert refusal(hostile.nested_ifs(100), tmp_path) == f"must be an ONNX model ({cause}). {AGAIN}"


def test_sequences_are_refused(tmp_path):
    found = model([node("SequenceConstruct", ["x"], "s"), node("ConcatFromSequence", ["s"], "y", axis=0)])
    expected = f"node 'sequenceconstruct' (SequenceConstruct) must work on tensors of numbers. {AGAIN}"
    assert refusal(found, tmp_path) == expected


def test_a_sparse_attribute_is_refused(tmp_path):
    found = unary("Relu")
    found.graph.node[0].attribute.add(name="s", type=onnx.AttributeProto.SPARSE_TENSOR)
    expected = f"node 'relu' (Relu) must have plain attributes ('s' is a sparse tensor). {AGAIN}"
    assert refusal(found, tmp_path) == expected


def test_sparse_weights_are_refused(tmp_path):
    found = hostile.changed(lambda made: made.graph.sparse_initializer.add())
    assert refusal(found, tmp_path) == f"must store dense tensors only (1 sparse tensors). {AGAIN}"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (model([], outputs=[value("x", ["rows", 3])]), "must have 1 to 50000 nodes (0)"),
        (good(outputs=[]), "must have 1 to 256 outputs (0)"),
        (good(inputs=[]), "must have 1 to 256 inputs (0)"),
        (good(outputs=[value(f"y{i}", ["rows", 2]) for i in range(10_000)]), "must have 1 to 256 outputs (10000)"),
        (model([node("Relu", ["x"], "y")] * 50_001), "must have 1 to 50000 nodes (50001)"),
    ],
    ids=["no nodes", "no outputs", "no inputs", "10000 outputs", "50001 nodes"],
)
def test_too_few_and_too_many_are_refused(found, expected, tmp_path):
    assert refusal(found, tmp_path) == f"{expected}. {AGAIN}"


def test_a_name_given_twice_is_refused(tmp_path):
    twice = good(outputs=[value("y", ["rows", 2])] * 2)
    assert refusal(twice, tmp_path) == "must have a name of its own for each of its outputs ('y' 2 times)."
    weights = [numpy_helper.from_array(hostile.WEIGHT, "w")] * 2
    expected = "must have a name of its own for each of its stored tensors ('w' 2 times)."
    assert refusal(good(tensors=weights), tmp_path) == expected
    nodes = [node("Relu", ["x"], "a"), node("Neg", ["a"], "y")]
    for one in nodes:
        one.name = "same"
    expected = "must have a name of its own for each of its named nodes ('same' 2 times)."
    assert refusal(model(nodes, outputs=[value("y", ["rows", 3])]), tmp_path) == expected
    not_single = model([node("Relu", ["x"], "y"), node("Neg", ["x"], "y")], outputs=[value("y", ["rows", 3])])
    expected = f"node 'neg' (Neg) must give a name that nothing else gives ('y'). {AGAIN}"
    assert refusal(not_single, tmp_path) == expected


def test_a_name_of_a_megabyte_is_refused(tmp_path):
    found = hostile.changed(lambda made: setattr(made.graph.node[0], "name", "n" * 10**6))
    assert refusal(found, tmp_path) == f"must have names of at most 512 characters (1000000). {AGAIN}"


def test_a_name_cannot_write_to_the_terminal(tmp_path):
    found = unary("Gelu", domain="d\x1b[31m\n")
    found.graph.node[0].name = "../a'\x1b[2J\u202e" + "n" * 90
    where = f'node "../a\'\\x1b[2J\\u202e{"n" * 50}..." (d\\x1b[31m\\n::Gelu)'
    advice = "Operators of other domains run in one runtime only: export it with standard ones."
    assert refusal(found, tmp_path) == f"{where} must be of ONNX's own domain ('d\\x1b[31m\\n'). {advice}"


def test_a_cycle_is_refused(tmp_path):
    expected = f"node 'add' (Add) must read what an input or an earlier node gives ('b'). {AGAIN}"
    assert refusal(hostile.cycle(), tmp_path) == expected


def test_an_output_that_nothing_gives_is_refused(tmp_path):
    assert refusal(good(outputs=[value("z", [1])]), tmp_path) == f"output 'z' must be given by a node. {AGAIN}"


@pytest.mark.parametrize(
    ("given_", "got"),
    [
        (value("x", ["rows", 3], TensorProto.STRING), "string"),
        (onnx.helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None), "sequence"),
        (onnx.ValueInfoProto(name="x"), "no type"),
    ],
    ids=["string", "sequence", "nothing"],
)
def test_an_input_that_is_no_tensor_of_numbers_is_refused(given_, got, tmp_path):
    expected = f"input 'x' must be a tensor of numbers ({got}). {AGAIN}"
    assert refusal(good(inputs=[given_]), tmp_path) == expected


def test_an_input_without_a_shape_is_refused(tmp_path):
    expected = f"input 'x' must have a shape (none). {AGAIN}"
    assert refusal(good(inputs=[value("x", None)]), tmp_path) == expected


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (bare("w", [3, 2], raw_data=bytes(20)), "must have 24 bytes for its shape [3, 2] (20)"),
        (bare("w", [3, 2], raw_data=bytes(28)), "must have 24 bytes for its shape [3, 2] (28)"),
        (bare("w", [3, 2], float_data=[1, 2]), "must have 6 float_data for its shape [3, 2] (2)"),
        (bare("w", [3, 2], raw_data=bytes(24), float_data=[1]), "must have its data once (float_data)"),
        (
            bare("w", [-3, -2], raw_data=bytes(24)),
            "must have lengths of at least 0 and fewer than 2147483648 elements (shape [-3, -2])",
        ),
        (
            bare("w", [2**32, 2**32]),
            "must have lengths of at least 0 and fewer than 2147483648 elements (shape [4294967296, 4294967296])",
        ),
        (TensorProto(name="w", data_type=TensorProto.STRING, dims=[1]), "must hold numbers (string)"),
        (TensorProto(name="w", data_type=99, dims=[1]), "must hold numbers (type 99)"),
    ],
    ids=["short", "long", "few", "twice", "negative", "huge", "string", "99"],
)
def test_a_stored_tensor_that_is_not_what_it_says_is_refused(tensor, expected, tmp_path):
    assert refusal(good(tensors=[tensor]), tmp_path) == f"stored tensor 'w' {expected}. {AGAIN}"
    inside = model([node("Constant", [], "w", value=tensor), node("MatMul", ["x", "w"], "y")])
    assert refusal(inside, tmp_path) == f"stored tensor 'w' {expected}. {AGAIN}"


def test_more_weights_than_the_limit_are_refused(tmp_path):
    path = hostile.write(good(), tmp_path / "model.onnx")
    with pytest.raises(ResourceError) as caught:
        inspect_contents(path, InspectionLimits(weights_bytes=23))
    assert str(caught.value) == f"{path}: must store at most 23 bytes of weights (24 bytes)."


@given(shape=st.lists(st.integers(0, 4), min_size=1, max_size=3), wrong=st.integers(-5, 5))
def test_a_tensor_passes_exactly_when_it_has_the_bytes_of_its_shape(shape, wrong, tmp_path_factory):
    size = 4 * int(np.prod(shape))
    tensor = bare("w", shape, raw_data=bytes(max(size + wrong, 0)))
    found = model(
        [node("Identity", ["w"], "y"), node("Relu", ["x"], "z")], outputs=[value("y", shape)], tensors=[tensor]
    )
    folder = tmp_path_factory.mktemp("tensors")
    if max(size + wrong, 0) == size:
        assert inspected(found, folder).weights_bytes == size
    else:
        assert refusal(found, folder).startswith(f"stored tensor 'w' must have {size} bytes")


def test_a_shape_that_contradicts_the_graph_is_refused_by_onnx(tmp_path):
    cause = (
        "[ShapeInferenceError] Inference error(s): (op_type:MatMul, node name: matmul): [ShapeInferenceError] "
        "Inferred shape and existing shape differ in dimension 1: (2) vs (7)"
    )
    found = good(outputs=[value("y", ["rows", 7])])
    assert refusal(found, tmp_path) == f"must pass ONNX's checker ({cause}). {AGAIN}"


@pytest.mark.parametrize(
    ("found", "needs"),
    [(hostile.constant_bomb(), 10**12 + 16), (hostile.expand_bomb(), 12 * 10**12 + 12)],
    ids=["constant", "expand"],
)
def test_a_bomb_of_known_size_is_refused(found, needs, tmp_path):
    expected = f"must hold at most 4294967296 bytes at once while it runs ({needs} bytes at one row)."
    assert refusal(found, tmp_path, ResourceError) == expected


def test_a_bomb_of_a_size_that_only_a_run_tells_is_refused(tmp_path):
    advice = "Export it with fixed lengths; only the batch may be free."
    expected = f"node 'constantofshape' (ConstantOfShape) must give a shape that the model's inputs determine. {advice}"
    assert refusal(hostile.hidden_bomb(), tmp_path) == expected


def test_a_shape_that_the_graph_computes_from_the_batch_is_followed(tmp_path):
    nodes = [
        node("Shape", ["x"], "shape"),
        node("Gather", ["shape", "zero"], "rows"),
        node("Concat", ["rows", "two"], "wanted", axis=0),
        node("ConstantOfShape", ["wanted"], "y"),
    ]
    stored = [numpy_helper.from_array(np.array([number]), name) for number, name in ((0, "zero"), (2, "two"))]
    assert inspected(model(nodes, tensors=stored), tmp_path).operators["ConstantOfShape"] == 1


@pytest.mark.parametrize("ir_version", [3, 10])
def test_a_shape_as_the_older_exporter_of_torch_computes_it_is_followed(ir_version, tmp_path):
    """Expand(start, Where(wanted == -1, 1, wanted)), wanted = (rows, -1)."""
    numbers = {"zero": [0], "keep": [-1], "one": [1, 1]}
    nodes = [
        node("Shape", ["x"], "shape"),
        node("Gather", ["shape", "zero"], "rows"),
        node("Concat", ["rows", "keep"], "wanted", axis=0),
        node("Equal", ["wanted", "keep"], "kept"),
        node("Where", ["kept", "one", "wanted"], "lengths"),
        node("Expand", ["start", "lengths"], "y"),
    ]
    stored = [numpy_helper.from_array(np.array(array), name) for name, array in numbers.items()]
    stored.append(numpy_helper.from_array(np.zeros((1, 2), np.float32), "start"))
    inputs = [value("x", ["rows", 3])]
    if ir_version == 3:
        inputs += [value(tensor.name, list(tensor.dims), tensor.data_type) for tensor in stored]
    found = model(nodes, inputs=inputs, tensors=stored, ir_version=ir_version)
    assert inspected(found, tmp_path).operators["Expand"] == 1


def test_a_shape_that_cannot_be_computed_is_refused(tmp_path):
    """It divides by zero."""
    stored = [numpy_helper.from_array(np.array([number]), name) for number, name in ((0, "zero"), (2, "two"))]
    nodes = [node("Div", ["two", "zero"], "length"), node("ConstantOfShape", ["length"], "y")]
    found = model([*nodes, node("Relu", ["x"], "z")], outputs=[value("y", ["n"])], tensors=stored)
    advice = "Export it with fixed lengths; only the batch may be free."
    expected = f"node 'constantofshape' (ConstantOfShape) must give a shape that the model's inputs determine. {advice}"
    assert refusal(found, tmp_path) == expected


def test_a_part_of_a_shape_that_goes_through_a_reshape_is_followed(tmp_path):
    """ONNX's inference stops at such a Reshape, which torch writes for recurrent networks."""
    nodes = [
        onnx.helper.make_node("Shape", ["x"], ["part"], start=1, end=2),
        node("Reshape", ["part", "flat"], "length"),
        node("ConstantOfShape", ["length"], "zeros"),
        node("Add", ["x", "zeros"], "y"),
    ]
    stored = [numpy_helper.from_array(np.array([-1]), "flat")]
    found = model(nodes, outputs=[value("y", ["rows", 3])], tensors=stored)
    assert inspected(found, tmp_path).activation_bytes == 4 * (3 + 3)  # x and y: the zeros are stored by then


def test_pads_that_pass_a_transpose_are_followed(tmp_path):
    nodes = [
        node("Transpose", ["pairs"], "turned"),
        node("Reshape", ["turned", "flat"], "pads"),
        node("Pad", ["x", "pads"], "y"),
    ]
    stored = [
        numpy_helper.from_array(np.array([[0, 0], [2, 0]]), "pairs"),
        numpy_helper.from_array(np.array([-1]), "flat"),
    ]
    found = model(nodes, outputs=[value("y", ["rows", 5])], tensors=stored)
    assert inspected(found, tmp_path).activation_bytes == 4 * (3 + 5)


def test_a_bomb_behind_shape_arithmetic_is_seen(tmp_path):
    stored = [numpy_helper.from_array(np.array([10**6] * 2), "million"), numpy_helper.from_array(np.array([1]), "one")]
    nodes = [
        node("Equal", ["million", "one"], "never"),
        node("Where", ["never", "one", "million"], "shape"),
        node("ConstantOfShape", ["shape"], "zeros"),
        node("ReduceSum", ["zeros"], "total", keepdims=0),
        node("Add", ["x", "total"], "y"),
    ]
    found = model(nodes, outputs=[value("y", ["rows", 3])], tensors=stored)
    needs = 4 * 10**12 + 12 + 4  # the zeros, x, and the sum that is made while they are there
    expected = f"must hold at most 4294967296 bytes at once while it runs ({needs} bytes at one row)."
    assert refusal(found, tmp_path, ResourceError) == expected


def test_the_mask_of_an_old_dropout_that_nobody_reads_takes_no_memory(tmp_path):
    made = onnx.helper.make_node("Dropout", ["x"], ["y", "mask"], name="dropout")
    found = model([made], outputs=[value("y", ["rows", 3])], opset=9)
    assert inspected(found, tmp_path).activation_bytes == 24


def test_the_lengths_an_input_claims_for_a_stored_tensor_do_not_count(tmp_path):
    """w is 3 x 2000; an input of its name says 3 x 2, and the output is as large as w makes it."""
    stored = numpy_helper.from_array(np.zeros((3, 2000), np.float32), "w")
    inputs = [value("x", ["rows", 3]), value("w", [3, 2])]
    found = good(inputs=inputs, outputs=[value("y", ["rows", "n"])], tensors=[stored])
    assert inspected(found, tmp_path).activation_bytes == 4 * (3 + 2000)


def test_memory_is_what_is_alive_at_once(tmp_path):
    """x (12 bytes), a and b (12 each): two of the three at any time."""
    nodes = [node("Relu", ["x"], "a"), node("Neg", ["a"], "b"), node("Abs", ["b"], "y")]
    assert inspected(model(nodes, outputs=[value("y", ["rows", 3])]), tmp_path).activation_bytes == 24


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (hostile.batch_norm(training=True), ("node 'norm' (BatchNormalization)",)),
        (hostile.batch_norm(training=False), ()),
        (hostile.old_batch_norm(), ("node 'norm' (BatchNormalization)",)),
        (hostile.dropout(training=True), ("node 'dropout' (Dropout)",)),
        (hostile.dropout(training=False), ()),
        (hostile.dropout(training=None), ()),
        (unary("Dropout"), ()),
        (model([node("Dropout", ["x", "", ""], "y")], outputs=[value("y", ["rows", 3])]), ()),
        (unary("RandomNormalLike"), ("node 'randomnormallike' (RandomNormalLike)",)),
    ],
)
def test_nodes_that_answer_differently_each_time_are_reported(found, expected, tmp_path):
    assert inspected(found, tmp_path).unrepeatable == expected


def test_a_list_of_tensors_in_an_attribute_is_judged_too(tmp_path):
    found = unary("Relu")
    found.graph.node[0].attribute.add(name="t", type=onnx.AttributeProto.TENSORS).tensors.append(bare("w", [3, 2]))
    assert refusal(found, tmp_path) == f"stored tensor 'w' must have 6 float_data for its shape [3, 2] (0). {AGAIN}"


class TestSideFiles:
    """`w`, 24 bytes, lies outside of the model."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A model's folder, with a canary outside of it."""
        (tmp_path / "canary").write_bytes(hostile.WEIGHT.tobytes())
        folder = tmp_path / "models"
        folder.mkdir()
        (folder / "w.data").write_bytes(hostile.WEIGHT.tobytes())
        return folder

    def test_one_that_lies_beside_the_model_is_named(self, folder):
        digest = hashlib.sha1(hostile.WEIGHT.tobytes()).hexdigest()
        found = inspected(hostile.external("w.data", offset="0", length="24", checksum=digest), folder)
        assert (found.side_files, found.weights_bytes) == (("w.data",), 24)

    @pytest.mark.parametrize(
        "location",
        [
            "../canary",
            "a/../../canary",
            "/etc/hostname",
            "",
            ".",
            "..",
            "w.data\0x",
            "C:\\x",
            "\\\\server\\x",
            "x" * 256,
        ],
    )
    def test_one_elsewhere_is_refused_and_no_canary_is_read(self, location, folder, monkeypatch):
        opened = _reads(monkeypatch)
        shown = repr(location if len(location) < 60 else location[:60] + "...")
        expected = f"external data of 'w' must be in a file of its own beside the model ({shown}). {BESIDE}"
        assert refusal(hostile.external(location), folder, IntegrityError) == expected
        assert opened == [folder / "model.onnx"]

    @pytest.mark.parametrize(
        ("name", "got"),
        [
            ("absent", "No such file or directory"),
            ("soft", "a link"),
            ("hard", "a hard link"),
            ("folder", "not a regular file"),
            ("fifo", "not a regular file"),
        ],
    )
    def test_one_that_is_no_file_of_its_own_is_refused(self, name, got, folder):
        canary = folder.parent / "canary"
        (folder / "soft").symlink_to(canary)
        (folder / "hard").hardlink_to(canary)
        (folder / "folder").mkdir()
        os.mkfifo(folder / "fifo")
        got = f"'{name}': {got}" if name == "absent" else f"'{name}' is {got}"
        expected = f"external data of 'w' must be in a file of its own beside the model ({got}). {BESIDE}"
        assert refusal(hostile.external(name), folder, IntegrityError) == expected

    @pytest.mark.parametrize(
        ("entries", "expected"),
        [
            ({"offset": "abc"}, "must have an offset of at least 0 ('abc')"),
            ({"offset": "-1"}, "must have an offset of at least 0 ('-1')"),
            ({"length": "-24"}, "must have a length of at least 0 ('-24')"),
            ({"offset": "25"}, "must have a length of at least 0 ('-1')"),
            ({"length": str(10**12)}, f"must lie inside 'w.data', which has 24 bytes (bytes 0 to {10**12})"),
            ({"offset": "8", "length": "24"}, "must lie inside 'w.data', which has 24 bytes (bytes 8 to 32)"),
            ({"length": "20"}, "must have 24 bytes (20)"),
        ],
    )
    def test_bytes_that_are_not_there_are_refused(self, entries, expected, folder):
        found = hostile.external("w.data", **entries)
        assert refusal(found, folder) == f"external data of 'w' {expected}. {WHOLE}"

    def test_another_file_of_the_same_size_is_refused_where_there_is_a_checksum(self, folder):
        found = hostile.external("w.data", checksum=hashlib.sha1(hostile.WEIGHT.tobytes()).hexdigest())
        (folder / "w.data").write_bytes(bytes(24))
        expected = (
            "external data of 'w' must be in a file of the SHA-1 '2613304e943cf39fd3687cac1493e81877a327ea' "
            f"({hashlib.sha1(bytes(24)).hexdigest()}). {WHOLE}"
        )
        assert refusal(found, folder, IntegrityError) == expected

    def test_a_key_that_onnx_does_not_define_is_refused(self, folder):
        expected = (
            "external data of 'w' must have each of checksum, length, location, offset at most once ('__class__')."
        )
        assert refusal(hostile.external("w.data", __class__="x"), folder, IntegrityError) == expected

    def test_a_constant_may_not_lie_outside(self, folder):
        tensor = bare("w", [3, 2], data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value="../canary")
        found = model([node("Constant", [], "w", value=tensor), node("MatMul", ["x", "w"], "y")])
        must = "must be in the model: only a weight may be in a side file"
        assert refusal(found, folder) == f"stored tensor 'w' {must} (external data). {AGAIN}"


def _reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that Python code reads from now on."""
    read, opened = Path.read_bytes, []

    def watched(path: Path) -> bytes:
        opened.append(path)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", watched)
    return opened
