"""Models as they lie about, which once crashed, hung, or were refused or judged wrongly, at the command line.

Each is small and of the kind that its test names; 5 classes over 4 numbers where nothing else is said.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from kdeploy.runtimes import installed
from tests import made
from tests.program import Outcome, inside

node = helper.make_node
DRAWS = np.random.default_rng(0)
WEIGHT = DRAWS.standard_normal((4, 5)).astype(np.float32)
LINEAR = node("MatMul", ["x", "w"], ["y"])


def verified(path: Path, runtime: str = "onnxruntime") -> Outcome:
    """`kdeploy verify` on one runtime; it passed."""
    found = inside("verify", path, "--runtime", runtime)
    assert found.code == 0, found.stderr
    assert re.search(rf"^{path.name} +{runtime}[: ].* passed$", found.stdout, re.MULTILINE), found.stdout
    return found


def refused(code: int, *words: str | Path) -> str:
    """The sentence with which a command ends with that code."""
    found = inside(*words)
    assert (found.code, found.stdout) == (code, ""), found.stderr
    return found.stderr.splitlines()[-1].removeprefix("error: ")


def shown(path: Path) -> dict[str, int]:
    """What `kdeploy show` counts."""
    found = inside("show", path, "--json")
    assert found.code == 0, found.stderr
    return {key: found.document["compute"][key] for key in ("multiply_adds", "params")}


def changed(path: Path, **shapes: list[int | str | None]) -> Path:
    """The file with other lengths said of its input x or its output y."""
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        if value.name in shapes:
            dtype = value.type.tensor_type.elem_type
            value.CopyFrom(helper.make_tensor_value_info(value.name, dtype, shapes[value.name]))
    onnx.save(model, path)
    return path


def linear(path: Path, *further: onnx.NodeProto) -> Path:
    return made.graph(path, [LINEAR, *further], (4,), 5, w=WEIGHT)


def test_one_sigmoid_column_is_a_binary_classifier(tmp_path: Path):
    nodes = [node("MatMul", ["x", "w"], ["z"]), node("Sigmoid", ["z"], ["y"])]
    verified(made.graph(tmp_path / "binary.onnx", nodes, (4,), 1, w=WEIGHT[:, :1]))


def test_a_score_a_row_without_an_axis_is_refused_with_what_to_do(tmp_path: Path):
    path = made.graph(tmp_path / "flat.onnx", [LINEAR], (4,), 1, w=WEIGHT[:, 0])
    assert refused(3, "show", changed(path, y=["n"])) == (
        f"{path}: must give logits of shape (batch, classes) (shape (free)). "
        "If it gives a score a row, export that with the shape (batch, 1)."
    )


def test_the_node_at_which_what_is_not_finite_begins_is_named(tmp_path: Path):
    """One of 64 inputs has a logarithm of less than 0; the infinity of the mask before it does no harm."""
    weights = {"few": np.array([0.02, 0, 0, 0], np.float32), "mask": np.full(4, 1e39)}
    nodes = [
        node("Cast", ["mask"], ["infinite"], to=TensorProto.FLOAT),
        node("Min", ["x", "infinite"], ["same"]),
        node("Sub", ["same", "few"], ["moved"]),
        node("Log", ["moved"], ["logs"], name="/head/Log"),
        node("MatMul", ["logs", "w"], ["y"]),
    ]
    path = made.graph(tmp_path / "logs.onnx", nodes, (4,), 5, w=WEIGHT, **weights)
    assert refused(5, "verify", path, "--runtime", "onnxruntime") == (
        f"{path}: must answer with finite logits (1 of 64 inputs have NaN or infinity among theirs, "
        "first at node '/head/Log' (Log)). Nothing can be compared with those: look at how it was trained or exported."
    )


def test_what_only_float32_cannot_hold_is_named_too(tmp_path: Path):
    nodes = [node("MatMul", ["x", "w"], ["z"]), node("Exp", ["z"], ["y"])]
    path = made.graph(tmp_path / "large.onnx", nodes, (4,), 5, w=60 + np.abs(60 * WEIGHT))
    assert refused(5, "verify", path, "--runtime", "onnxruntime") == (
        f"{path}: must have in float32 the logits of float64 (infinity or NaN in float32, first at node 'y' (Exp)). "
        "Its numbers are too large or too small for float32."
    )


def test_a_dropout_that_does_nothing_may_come_first_on_openvino(tmp_path: Path):
    nodes = [node("Dropout", ["x", "ratio", "training"], ["d"]), node("MatMul", ["d", "w"], ["y"])]
    weights = {"w": WEIGHT, "ratio": np.array(0.5, np.float32), "training": np.array(False)}
    verified(made.graph(tmp_path / "dropout.onnx", nodes, (4,), 5, **weights), "openvino")


def half_inside(path: Path) -> Path:
    nodes = [
        node("Cast", ["x"], ["half"], to=TensorProto.FLOAT16),
        node("MatMul", ["half", "w"], ["z"]),
        node("Cast", ["z"], ["y"], to=TensorProto.FLOAT),
    ]
    return made.graph(path, nodes, (192,), 5, w=DRAWS.standard_normal((192, 5)).astype(np.float16))


def test_a_graph_of_half_floats_with_float32_ports_ships_as_it_came(tmp_path: Path):
    path = half_inside(tmp_path / "half.onnx")
    found = inside("export", path, "--bottleneck", "factored", "--runs", tmp_path / "runs", "--out", tmp_path / "out")
    assert found.code == 0, found.stderr
    assert (tmp_path / "out" / "model.onnx").read_bytes() == path.read_bytes()


def test_an_average_over_many_equal_numbers_is_not_called_wrong(tmp_path: Path):
    """Of zeros all 12,544 terms are the bias, and a runtime adds them one by one."""
    nodes = [
        node("Conv", ["x", "k", "b"], ["c"]),
        node("GlobalAveragePool", ["c"], ["p"]),
        node("Flatten", ["p"], ["y"]),
    ]
    weights = {"k": DRAWS.standard_normal((5, 1, 1, 1)), "b": np.array([0.1, 0.3, 0.7, -0.9, 1.1])}
    path = tmp_path / "average.onnx"
    verified(made.graph(path, nodes, (1, 112, 112), 5, **{key: one.astype(np.float32) for key, one in weights.items()}))


def recurrent(path: Path) -> Path:
    """A bidirectional LSTM over 7 steps."""
    nodes = [
        node("Transpose", ["x"], ["steps"], perm=[1, 0, 2]),
        node("LSTM", ["steps", "i", "r"], ["", "last"], hidden_size=6, direction="bidirectional"),
        node("Transpose", ["last"], ["rows"], perm=[1, 0, 2]),
        node("Flatten", ["rows"], ["flat"]),
        node("MatMul", ["flat", "w"], ["y"]),
    ]
    shapes = {"i": (2, 24, 4), "r": (2, 24, 6), "w": (12, 5)}
    weights = {name: DRAWS.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return made.graph(path, nodes, (7, 4), 5, **weights)


@pytest.mark.skipif("ncnn" not in installed.available(), reason="ncnn is not installed, which refuses")
def test_what_one_runtime_cannot_load_is_left_out_and_the_others_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(installed, "names", lambda: ["ncnn", "openvino"])
    found = inside("verify", recurrent(tmp_path / "lstm.onnx"), "--json")
    assert found.code == 0, found.stderr
    assert [(row["runtime"], row["passed"]) for row in found.document["rows"]] == [("openvino", True)]
    assert [one["field"] for one in found.document["unavailable"]] == ["lstm.onnx on ncnn"]


def test_a_gap_of_the_evaluator_at_an_old_opset_is_judged_at_a_later_one(tmp_path: Path):
    nodes = [
        node("QuantizeLinear", ["x", "step", "zero"], ["q"]),
        node("DequantizeLinear", ["q", "step", "zero"], ["d"]),
        node("DequantizeLinear", ["w", "steps", "zeros"], ["v"], axis=1),
        node("MatMul", ["d", "v"], ["y"]),
    ]
    weights = {"step": np.float32(0.01), "zero": np.int8(0), "w": (20 * WEIGHT).astype(np.int8)}
    each = {"steps": np.full(5, 0.05, np.float32), "zeros": np.zeros(5, np.int8)}
    path = made.graph(tmp_path / "qdq.onnx", nodes, (4,), 5, **{k: np.array(v) for k, v in (weights | each).items()})
    assert "judged by ONNX's reference evaluator in float64, at opset 19\n" in verified(path).stdout


def test_where_no_evaluator_has_an_operator_the_runtimes_judge_each_other(tmp_path: Path):
    nodes = [
        node("ConvTranspose", ["x", "k"], ["c"], group=2, pads=[1, 1, 1, 1], strides=[2, 2]),
        node("GlobalAveragePool", ["c"], ["p"]),
        node("Flatten", ["p"], ["y"]),
    ]
    kernel = DRAWS.standard_normal((4, 3, 3, 3)).astype(np.float32)
    path = made.graph(tmp_path / "grouped.onnx", nodes, (4, 8, 8), 6, k=kernel)
    assert shown(path)["multiply_adds"] == 4 * 8 * 8 * 3 * 3 * 3  # each number that goes in meets each of its weights
    assert re.match(
        r"grouped\.onnx: ONNX's reference evaluator cannot run it; "
        r"judged by .*onnxruntime.* and \w+ among each other in float32\n",
        verified(path).stderr,
    )


def test_pads_that_are_turned_on_their_way_are_followed(tmp_path: Path):
    """As torch writes them: pairs from the last axis on, reversed by a Slice and turned by a Transpose."""
    nodes = [
        node("Reshape", ["said", "pairs"], ["two"]),
        node("Slice", ["two", "last", "first", "axis", "back"], ["reversed"]),
        node("Transpose", ["reversed"], ["turned"], perm=[1, 0]),
        node("Reshape", ["turned", "flat"], ["pads"]),
        node("Pad", ["x", "pads"], ["padded"]),
        node("Conv", ["padded", "k"], ["c"]),
        node("GlobalAveragePool", ["c"], ["p"]),
        node("Flatten", ["p"], ["y"]),
    ]
    numbers = {
        "said": [1, 1, 1, 1, 0, 0, 0, 0],
        "pairs": [-1, 2],
        "last": [-1],
        "first": [np.iinfo(np.int64).min],
        "axis": [0],
        "back": [-1],
        "flat": [-1],
    }
    kernel = DRAWS.standard_normal((5, 3, 3, 3)).astype(np.float32)
    path = tmp_path / "padded.onnx"
    made.graph(path, nodes, (3, 8, 8), 5, k=kernel, **{name: np.array(one) for name, one in numbers.items()})
    assert shown(path) == {"multiply_adds": 8 * 8 * 5 * 27, "params": 5 * 27}


@pytest.mark.parametrize(
    "shapes",
    [
        {"x": [-1, 4], "y": [-1, -1]},
        {"x": [None, 4], "y": ["n", "classes"]},
        {"x": ["n", 4], "y": None},
    ],
    ids=str,
)
def test_free_lengths_are_free_however_they_are_written(tmp_path: Path, shapes: dict[str, list[int | str | None]]):
    assert shown(changed(linear(tmp_path / "free.onnx"), **shapes)) == {"multiply_adds": 20, "params": 20}


def test_a_batch_of_minus_1_is_run_with_any(tmp_path: Path):
    path = changed(linear(tmp_path / "free.onnx"), x=[-1, 4], y=[-1, -1])
    found = inside("verify", path, "--runtime", "onnxruntime", "--json")
    assert found.code == 0, found.stderr
    assert found.document["rows"][0]["batches"] == [0, 1, 2, 3, 7, 32, 256]


def test_the_same_opset_twice_is_one_and_two_are_refused(tmp_path: Path):
    model = onnx.load(linear(tmp_path / "twice.onnx"))
    model.opset_import.append(model.opset_import[0])
    onnx.save(model, tmp_path / "twice.onnx")
    assert shown(tmp_path / "twice.onnx")["params"] == 20
    model.opset_import[1].version = 18
    onnx.save(model, tmp_path / "two.onnx")
    assert refused(3, "show", tmp_path / "two.onnx").endswith(
        "must have one ONNX opset from 7 to 28 (17, 18). Export it for a version in that range."
    )


def test_what_no_output_needs_is_left_out_before_it_is_judged(tmp_path: Path):
    path = linear(
        tmp_path / "dead.onnx",
        node("ArrayFeatureExtractor", ["y", "one"], ["label"], domain="ai.onnx.ml"),
        node("Invented", ["label"], ["word"], domain="com.example"),
    )
    model = onnx.load(path)
    model.opset_import.extend([helper.make_opsetid("ai.onnx.ml", 1), helper.make_opsetid("com.example", 1)])
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1]), "one"))
    onnx.save(model, path)
    assert shown(path) == {"multiply_adds": 20, "params": 20}


@pytest.mark.parametrize("output", [["n", 5, 1, 1], ["n", "k", "h", "w"], [-1, -1, -1, -1]], ids=str)
def test_lengths_of_1_behind_the_classes_are_none(tmp_path: Path, output: list[int | str]):
    nodes = [node("Conv", ["x", "k"], ["c"]), node("GlobalAveragePool", ["c"], ["y"])]
    kernel = DRAWS.standard_normal((5, 3, 3, 3)).astype(np.float32)
    path = changed(made.graph(tmp_path / "pooled.onnx", nodes, (3, 4, 4), 5, k=kernel), y=output)
    assert shown(path) == {"multiply_adds": 2 * 2 * 5 * 27, "params": 5 * 27}


def test_every_stored_number_of_a_layer_is_a_parameter(tmp_path: Path):
    """A table of words, the slopes of a PRelu, a scale, and what a Concat adds: 64,000 + 64 + 64 + 8 + 72 x 5."""
    nodes = [
        node("Cast", ["x"], ["words"], to=TensorProto.INT64),
        node("Gather", ["table", "words"], ["rows"]),
        node("ReduceMean", ["rows"], ["mean"], axes=[1], keepdims=0),
        node("PRelu", ["mean", "slopes"], ["active"]),
        node("Mul", ["active", "scale"], ["scaled"]),
        node("Tile", ["token", "once"], ["tokens"]),
        node("Concat", ["scaled", "tokens"], ["joined"], axis=1),
        node("MatMul", ["joined", "w"], ["y"]),
    ]
    shapes = {"table": (1000, 64), "slopes": (64,), "scale": (64,), "token": (1, 8), "w": (72, 5)}
    weights = {name: DRAWS.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    path = made.graph(tmp_path / "words.onnx", nodes, (16,), 5, once=np.array([1, 1]), **weights)
    assert shown(changed(path, x=[1, 16], y=[1, 5]))["params"] == 64_000 + 64 + 64 + 8 + 72 * 5


def test_batch_norms_are_folded_into_constant_nodes_and_what_is_shared_is_said(tmp_path: Path):
    """Three convolutions, each with a batch norm behind it; the weight of the first is a Constant node, the others have
    one together."""
    draws = np.random.default_rng(1)
    own, shared = draws.standard_normal((2, 3, 3, 3, 3)).astype(np.float32)
    nodes = [node("Constant", [], ["own"], value=onnx.numpy_helper.from_array(own))]
    for number, kernel in enumerate(("own", "shared", "shared")):
        source = f"n{number - 1}" if number else "x"
        nodes += [
            node("Conv", [source, kernel], [f"c{number}"], pads=[1, 1, 1, 1]),
            node("BatchNormalization", [f"c{number}", *(f"{key}{number}" for key in "sbmv")], [f"n{number}"]),
        ]
    nodes += [node("GlobalAveragePool", ["n2"], ["p"]), node("Flatten", ["p"], ["y"])]
    statistics = {f"{key}{number}": draws.random(3, np.float32) + 0.5 for key in "sbmv" for number in range(3)}
    path = made.graph(tmp_path / "normed.onnx", nodes, (3, 8, 8), 3, shared=shared, **statistics)
    found = inside("export", path, "--runs", tmp_path / "runs", "--json")
    assert found.code == 0, found.stderr
    assert found.document["folds"][0]["reason"] == (
        "1 of 3 folded into the layers before them; not the others: "
        "the weight of the layer before it is shared with another node"
    )


@pytest.mark.parametrize(
    ("operators", "advice"),
    [
        (
            ["LinearClassifier", "Normalizer", "ZipMap"],
            "Convert it with the option `zipmap=False` and keep the probabilities as the only output, with standard "
            "operators: `black_op={'LinearClassifier', 'Normalizer'}` of skl2onnx.",
        ),
        (["TreeEnsembleClassifier"], "Trees are not read yet: of classical models, linear ones and networks are."),
    ],
)
def test_a_classical_teacher_is_refused_with_what_to_do(tmp_path: Path, operators: list[str], advice: str):
    names = ["x", *operators[:-1], "y"]
    nodes = [
        node(operator, [names[at]], [names[at + 1]], name="first" if not at else "", domain="ai.onnx.ml")
        for at, operator in enumerate(operators)
    ]
    path = made.graph(tmp_path / "classical.onnx", nodes, (4,), 5)
    model = onnx.load(path)
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    onnx.save(model, path)
    made.points(tmp_path / "points.npz")
    words = ("--teacher", path, "--data", tmp_path / "points.npz", "--out", tmp_path / "r.yaml", "--no-time")
    assert refused(3, "init", *words) == (
        f"{path}: node 'first' (ai.onnx.ml::{operators[0]}) must be of ONNX's own domain ('ai.onnx.ml'). {advice}"
    )


@pytest.mark.parametrize("kind", ["INT64", "UINT8", "BFLOAT16"])
def test_a_type_that_is_not_read_is_named(tmp_path: Path, kind: str):
    nodes = [node("Cast", ["x"], ["f"], to=TensorProto.FLOAT), node("MatMul", ["f", "w"], ["y"])]
    path = made.graph(tmp_path / "typed.onnx", nodes, (4,), 5, w=WEIGHT)
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DataType.Value(kind)
    onnx.save(model, path)
    assert refused(3, "show", path) == (
        f"{path}: must take float32 (input 'x' is {kind.lower()}). Export it with an input of that type."
    )


def test_labels_are_no_logits(tmp_path: Path):
    nodes = [node("MatMul", ["x", "w"], ["z"]), node("ArgMax", ["z"], ["y"], axis=1)]
    path = made.graph(tmp_path / "labels.onnx", nodes, (4,), 1, w=WEIGHT)
    model = onnx.load(path)
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    onnx.save(model, path)
    assert refused(3, "verify", path) == (
        f"{path}: must answer with logits, in floats (output 'y' is int64). "
        "Export the scores of the classes, not their labels."
    )


def test_two_nodes_of_one_name_are_refused_before_a_runtime_does(tmp_path: Path):
    named = [node("Relu", ["z"], ["a"], name="a/b:0"), node("Abs", ["a"], ["y"], name="a/b:0")]
    path = made.graph(tmp_path / "named.onnx", [node("MatMul", ["x", "w"], ["z"]), *named], (4,), 5, w=WEIGHT)
    sentence = f"{path}: must have a name of its own for each of its named nodes ('a/b:0' 2 times)."
    assert [refused(3, verb, path) for verb in ("show", "verify", "export")] == [sentence] * 3
