"""Models that no recipe knows: verified and timed, or refused in a whole sentence."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import kdeploy
from kdeploy.errors import ModelError, ResourceError
from kdeploy.parity.apart import Comparison, Job
from kdeploy.parity.truth import onnx_oracle
from kdeploy.runtimes import installed
from kdeploy.system.files import hash_file
from kdeploy.system.progress import Progress
from kdeploy.verbs import external_models
from kdeploy.verbs.external_models import admitted, made_inputs
from tests import made
from tests.program import inside
from tests.stages.export.test_external import two_pairs


def test_inputs_are_noise_of_the_models_shape_and_the_same_each_time(tmp_path):
    [model] = admitted([made.linear(tmp_path / "a.onnx", (1, 4, 4))])
    inputs = made_inputs(model, 5)
    assert (inputs.shape, inputs.dtype) == ((5, 1, 4, 4), np.float32)
    assert inputs.min() >= 0
    assert inputs.max() < 1
    assert np.array_equal(inputs, made_inputs(model, 5))


def reading() -> set[str]:
    """The runtimes that are here and take ONNX files: two start from a torch module."""
    return set(installed.available()) - {"executorch", "litert"}


def test_models_made_elsewhere_are_verified_through_every_runtime(tmp_path):
    paths = [made.linear(tmp_path / f"{name}.onnx", (1, 4, 4), seed=seed) for seed, name in enumerate("ab")]
    found = inside("verify", *paths, "--json")
    assert found.code == 0, found.stderr
    rows = found.document["rows"]
    assert {row["model"] for row in rows} == {"a.onnx", "b.onnx"}
    assert {row["runtime"] for row in rows} == reading() >= {"reference", "onnxruntime", "openvino", "ort"}
    assert all(row["passed"] for row in rows)


def test_models_of_the_same_name_are_each_judged_by_their_own_graph(tmp_path):
    paths = []
    for seed in range(2):
        (folder := tmp_path / str(seed)).mkdir()
        paths.append(made.linear(folder / "model.onnx", (1, 4, 4), seed=seed))
    found = inside("verify", *paths, "--json")
    assert found.code == 0, found.stderr
    assert all(row["passed"] and row["families"] for row in found.document["rows"])


needs_ncnn = pytest.mark.skipif("ncnn" not in installed.available(), reason="ncnn is not installed, which refuses")
ONE_ROW = "ncnn takes one row at a time, and input 'x' has the shape (4, 1, 4, 4)"


@needs_ncnn
def test_a_runtime_that_refuses_a_model_made_elsewhere_is_left_out_and_said(tmp_path):
    path = of_one_batch(made.linear(tmp_path / "a.onnx", (1, 4, 4)), 4)
    found = inside("verify", path, "--json")
    assert found.code == 0, found.stderr
    assert {row["runtime"] for row in found.document["rows"]} == reading() - {"ncnn"}
    assert f"a.onnx: left out on ncnn: {ONE_ROW}" in " ".join(found.stderr.split())


@needs_ncnn
def test_a_runtime_asked_for_by_name_that_refuses_is_an_error(tmp_path):
    path = of_one_batch(made.linear(tmp_path / "a.onnx", (1, 4, 4)), 4)
    found = inside("bench", path, "--vs", path, "--runtime", "ncnn", "--runs", tmp_path / "runs")
    assert found.code == 3
    assert found.stderr.splitlines()[-1] == (  # on a busy machine that is said before
        f"error: runtime 'ncnn': must take a.onnx in fp32 ({ONE_ROW}). "
        "Choose another, or ask for it in export.formats of a recipe, which has the torch module."
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve arrays of the shape (1, 4, 4)."""
    place = tmp_path / "inputs"
    place.mkdir()
    for number, array in enumerate(np.random.default_rng(0).random((12, 1, 4, 4), np.float32)):
        np.save(place / f"{number:02}.npy", array)
    return place


def spoiled(origin: Path, path: Path) -> Path:
    """A copy whose second layer has one weight 1 % off."""
    model = onnx.load(origin)
    [tensor] = [one for one in model.graph.initializer if one.name == "second"]
    weight = numpy_helper.to_array(tensor).copy()
    weight.flat[np.abs(weight).argmax()] *= 1.01
    tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))
    model.graph.node[3].name = "last"
    onnx.save(model, path)
    return path


def test_two_models_are_compared_with_each_other_on_real_inputs(tmp_path, folder):
    first = made.linear(tmp_path / "a.onnx", (1, 4, 4))
    same = Path(shutil.copyfile(first, tmp_path / "b.onnx"))
    found = inside("verify", first, same, "--inputs", folder, "--json")
    assert found.code == 0, found.stderr
    rows = found.document["rows"]
    assert {row["inputs"] for row in rows} == {12}
    assert {row["worst_name"] for row in rows} <= {f"{number:02}.npy" for number in range(12)}
    assert [row["against"] for row in rows] == 2 * len(reading()) * ["its own graph in float64"] + ["a.onnx"]
    assert (rows[-1]["model"], rows[-1]["runtime"], rows[-1]["max_abs_error"]) == ("b.onnx", "float64", 0)


def test_a_model_that_is_not_the_other_is_told_with_the_input_and_the_node(tmp_path, folder):
    first = made.linear(tmp_path / "a.onnx", (1, 4, 4))
    other = spoiled(first, tmp_path / "b.onnx")
    found = inside("verify", first, other, "--inputs", folder)
    assert found.code == 5
    assert re.fullmatch(
        r"error: b\.onnx on float64: must be within [\d.e-]+ of a\.onnx on 12 inputs \(off by [\d.e-]+ at '\d\d\.npy', "
        r"first at node 'last' \(MatMul\), \d+ flipped\)\. The model file is not a\.onnx: export it again, and report "
        r"this if it stays\.",
        found.stderr.splitlines()[-1],
    )
    assert "FAILED" in found.stdout
    assert "made inputs: 12 families, at most" in found.stdout
    assert re.search(r"^NaN in, a class out: .*\bopenvino\b", found.stdout, re.MULTILINE)


def test_one_model_takes_real_inputs_too(tmp_path, folder):
    path = made.linear(tmp_path / "a.onnx", (1, 4, 4))
    found = inside("verify", path, "--inputs", folder, "--json")
    assert found.code == 0, found.stderr
    assert [row["inputs"] for row in found.document["rows"]] == [12] * len(reading())


@pytest.mark.parametrize(
    ("shape", "classes", "sentence"),
    [
        ((2, 2, 4), 3, "must have inputs of the shape (1, 4, 4), as a.onnx has ((2, 2, 4))."),
        ((1, 4, 4), 4, "must have a number of classes of 3, as a.onnx has (4)."),
    ],
)
def test_models_that_cannot_be_compared_are_refused(shape, classes, sentence, tmp_path, folder):
    first = made.linear(tmp_path / "a.onnx", (1, 4, 4))
    other = made.linear(tmp_path / "b.onnx", shape, classes=classes)
    found = inside("verify", first, other, "--inputs", folder)
    assert (found.code, found.stdout) == (3, "")
    assert found.stderr.splitlines()[-1] == f"error: {other}: {sentence}"


def test_a_run_has_its_own_inputs(tmp_path, folder):
    found = inside("verify", "tiny", "--inputs", folder)
    assert found.code == 2
    assert "Invalid value: --inputs goes with .onnx files: a run has its own test inputs" in found.stderr


def of_one_batch(path: Path, batch: int) -> Path:
    """The file changed to take that batch alone, as exporters write it when no axis is said to be dynamic."""
    model = onnx.load(path)
    model.graph.node[0].CopyFrom(helper.make_node("Reshape", ["x", "shape"], ["flat"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([batch, 16]), "shape"))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("batch", [1, 5])
def test_a_model_of_one_batch_is_verified_in_that_batch(tmp_path, folder, batch):
    first = of_one_batch(made.linear(tmp_path / "a.onnx", (1, 4, 4)), batch)
    alone = inside("verify", first, "--json")
    assert alone.code == 0, alone.stderr
    assert all(row["batches"] == [batch] for row in alone.document["rows"])
    found = inside("verify", first, spoiled(first, tmp_path / "b.onnx"), "--inputs", folder)
    assert found.code == 5
    assert "first at node 'last' (MatMul)" in found.stderr


def test_inputs_fill_a_batch_that_is_larger_than_usual(tmp_path):
    [model] = admitted([of_one_batch(made.linear(tmp_path / "a.onnx", (1, 4, 4)), 100)])
    assert len(made_inputs(model)) == 100


def test_a_model_of_one_batch_is_rewritten_too(tmp_path):
    path = of_one_batch(made.linear(tmp_path / "a.onnx", (1, 4, 4)), 1)
    found = inside("export", path, "--bottleneck", "fuse", "--runs", tmp_path / "runs", "--json")
    assert found.code == 0, found.stderr


def test_a_batch_that_is_baked_in_is_named(tmp_path):
    path = made.linear(tmp_path / "a.onnx", (1, 4, 4))
    model = onnx.load(path)
    model.graph.node[0].CopyFrom(helper.make_node("Reshape", ["x", "shape"], ["flat"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 16]), "shape"))
    onnx.save(model, path)
    found = inside("verify", path)
    assert (found.code, found.stdout) == (5, "")
    [sentence] = [line for line in found.stderr.splitlines() if line.startswith("error: ")]
    assert re.fullmatch(
        r"error: a\.onnx on onnxruntime: must take any batch, as its graph declares \(fails at batch 2: .+\)\. "
        r"Another batch is baked into the graph: export it again with a dynamic one\.",
        sentence,
    )


def followed_by(path: Path, operator: str, *more: str, **attributes: object) -> Path:
    """A sound classifier whose logits go through one more node."""
    model = onnx.load(made.linear(path, (4,)))
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(helper.make_node(operator, ["before", *more], ["logits"], **attributes))
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("verb", ["export", "verify"])
def test_logits_that_are_not_finite_are_measured_and_refused(tmp_path, verb):
    path = followed_by(tmp_path / "a.onnx", "Log")
    found = inside(verb, path, *(["--out", tmp_path / "out", "--runs", tmp_path] if verb == "export" else []))
    assert found.code == 5
    [sentence] = [line for line in found.stderr.splitlines() if line.startswith("error: ")]
    assert re.fullmatch(
        r"error: .*a\.onnx: must answer with finite logits \(\d+ of 64 inputs have NaN or infinity among theirs, "
        r"first at node 'logits' \(Log\)\)\. "
        r"Nothing can be compared with those: look at how it was trained or exported\.",
        sentence,
    )


@pytest.mark.parametrize("verb", ["export", "verify"])
def test_a_batch_that_is_lost_on_the_way_is_measured_and_refused(tmp_path, verb):
    path = followed_by(tmp_path / "a.onnx", "ReduceMean", axes=[0], keepdims=1)
    model = onnx.load(path)
    model.opset_import[0].version = 17  # from 18 on the axes are an input
    onnx.save(model, path)
    found = inside(verb, path, *(["--out", tmp_path / "out", "--runs", tmp_path] if verb == "export" else []))
    assert found.code == 5
    assert found.stderr.splitlines()[-1].endswith(
        "must answer 64 inputs with a row of logits each (logits of shape (1, 3)). "
        "Its batch is lost or baked in on the way: export it again with a dynamic one."
    )


def test_a_model_that_nothing_here_can_run_is_refused(tmp_path):
    path = made.linear(tmp_path / "a.onnx", (1, 4, 4))
    model = onnx.load(path)
    model.graph.node[2].CopyFrom(helper.make_node("Expand", ["hidden", "shape"], ["active"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 7]), "shape"))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    onnx.save(model, path)
    with pytest.raises(ModelError) as caught:
        onnx_oracle(path, np.zeros((4, 1, 4, 4), np.float32))
    assert re.fullmatch(
        rf"{path}: must be a model that ONNX's reference evaluator runs, or at least two of the runtimes that are here "
        r"\(.*broadcast.*\)\. Install another runtime: kdeploy doctor names them\.",
        str(caught.value),
    )


@pytest.mark.parametrize("words", [["verify"], ["bench", "--runtime", "onnxruntime", "--quick", "--runs", "RUNS"]])
def test_what_is_no_model_is_refused(tmp_path, words):
    words = [str(tmp_path / "runs") if word == "RUNS" else word for word in words]
    good = made.linear(tmp_path / "good.onnx", (2,))
    missing, text, folder = (tmp_path / f"{name}.onnx" for name in ("missing", "text", "folder"))
    text.write_text("this is no model")
    folder.mkdir()
    corrupt = "Error parsing message with type 'onnx.ModelProto': Wire format was corrupt"
    sentences = {
        missing: "must be an ONNX file (there is no such file).",
        folder: "must be an ONNX file (a folder).",
        text: f"must be an ONNX model ({corrupt}). Export the model again.",
    }
    for path, sentence in sentences.items():
        found = inside(words[0], good, path, *words[1:])
        assert (found.code, found.stdout) == (3, "")
        assert found.stderr.endswith(f"error: {path}: {sentence}\n")  # on a busy machine that is said before


def test_a_graph_whose_types_do_not_fit_is_refused(tmp_path):
    path = made.linear(tmp_path / "a.onnx", (2,), weights_dtype="float64")
    found = inside("verify", path)
    assert (found.code, found.stdout) == (3, "")
    got = "[ShapeInferenceError] (op_type:MatMul): B has inconsistent type tensor(double)"
    assert found.stderr == f"error: {path}: must pass ONNX's checker ({got}). Export the model again.\n"


def test_a_runtime_of_another_name_is_refused(tmp_path):
    path = made.linear(tmp_path / "a.onnx", (2,))
    found = inside("bench", path, "--vs", path, "--runtime", "fast", "--runs", tmp_path / "runs")
    assert found.code == 7
    assert found.stderr.endswith(  # on a busy machine that is said before
        f"error: runtime 'fast': must be one of {', '.join(installed.names())}. "
        "Choose one of these, or install the package that brings it.\n"
    )


@pytest.mark.slow
def test_two_models_are_timed_against_each_other(tmp_path: Path) -> None:
    small = made.linear(tmp_path / "small.onnx", (1, 8, 8), width=8)
    large = made.linear(tmp_path / "large.onnx", (1, 8, 8), width=2048)
    runs = tmp_path / "runs"
    words = ("--runtime", "onnxruntime", "--quick", "--export", "pytest-benchmark", "--runs", runs, "--json")
    found = inside("bench", large, small, *words)
    assert found.code == 0, found.stderr
    [comparison] = found.document["comparison"]
    assert comparison["claim"]["status"] in {"indicative", "refused"}  # eight pairs never support a claim
    assert (comparison["runtime"], comparison["batch"], comparison["threads"]) == ("onnxruntime", 1, 1)
    counts = [arm["compute"]["multiply_adds"] for arm in found.document["arms"]]
    assert counts == [64 * 2048 + 2048 * 3, 64 * 8 + 8 * 3]
    [folder] = runs.glob("bench/*")
    assert (folder / "record.json").is_file()
    exported = json.loads((folder / "pytest-benchmark.json").read_bytes())
    assert {one["param"] for one in exported["benchmarks"]} <= {"large.onnx", "small.onnx"}  # none when all is void
    assert inside("report", folder, "--runs", runs, "--out", tmp_path / "out").code == 0
    assert "large.onnx" in (tmp_path / "out" / "report.html").read_text()


def test_a_model_made_elsewhere_is_exported_once_and_handed_over(tmp_path: Path) -> None:
    path = two_pairs(tmp_path / "net.onnx")
    words = ("export", path, "--bottleneck", "fuse", "--runs", tmp_path / "runs", "--out", tmp_path / "out")
    found = inside(*words, "--json")
    assert found.code == 0, found.stderr
    record = found.document
    assert record["schema"] == "kdeploy.export-model/2.1"
    assert record["bottleneck"]["shipped"] == "fused"
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["model.onnx", "record.json"]
    assert record["model"]["sha256"] == hash_file(tmp_path / "out" / "model.onnx")
    [folder] = (tmp_path / "runs" / "model").iterdir()
    stamp = (folder / "model.onnx").stat().st_mtime_ns
    again = inside(*words)
    assert again.code == 0, again.stderr
    assert (folder / "model.onnx").stat().st_mtime_ns == stamp
    assert "bottleneck: shipped fused (asked for (--bottleneck fuse))\n" in again.stdout
    assert again.stdout.endswith(f"model: {tmp_path / 'out' / 'model.onnx'}\n")
    runs = tmp_path / "runs"
    assert again.stderr.endswith(f"next: kdeploy bench {path} {tmp_path / 'out' / 'model.onnx'} --runs {runs}\n")


def test_a_model_that_is_there_is_kept_without_overwrite(tmp_path: Path) -> None:
    path, out = two_pairs(tmp_path / "net.onnx"), tmp_path / "out"
    out.mkdir()
    (out / "model.onnx").write_text("mine")
    words = ("export", path, "--bottleneck", "fuse", "--runs", tmp_path / "runs", "--out", out)
    found = inside(*words)
    assert found.code == 3
    assert found.stderr.endswith(
        f"error: --out: must not hold what would be replaced ({out}/model.onnx). Pass --overwrite.\n"
    )
    assert [(file.name, file.read_text()) for file in out.iterdir()] == [("model.onnx", "mine")]
    assert inside(*words, "--overwrite").code == 0
    assert sorted(file.name for file in out.iterdir()) == ["model.onnx", "record.json"]


def test_a_model_goes_into_no_file_and_through_no_link(tmp_path: Path) -> None:
    path = two_pairs(tmp_path / "net.onnx")
    words = ("export", path, "--bottleneck", "fuse", "--runs", tmp_path / "runs", "--out")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    assert inside(*words, tmp_path / "link").code == 4
    assert inside(*words, path).code == 3
    assert not (tmp_path / "runs").exists()


def test_what_was_made_does_not_replace_what_it_was_made_from(tmp_path: Path) -> None:
    path = two_pairs(tmp_path / "model.onnx")
    before = path.read_bytes()
    found = inside("export", path, "--bottleneck", "fuse", "--runs", tmp_path / "runs", "--out", tmp_path)
    assert (found.code, path.read_bytes()) == (3, before)
    assert found.stderr.endswith(f"error: --out: must be another folder than the model's ({tmp_path}).\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["a.onnx", "--bottleneck", "rank:3"],
            "Invalid value: --bottleneck of an .onnx file must be auto, fuse, factored\nTry: kdeploy --help\n",
        ),
        (
            ["a.onnx", "--formats", "openvino"],
            "error: --formats: must be left out for an .onnx file. It is for recipes and runs.\n",
        ),
    ],
)
def test_options_that_do_not_fit_the_subject_are_usage_errors(words: list[str], sentence: str) -> None:
    found = inside("export", *words)
    assert found.code == 2
    assert found.stderr == sentence


def test_a_model_that_is_none_and_a_target_that_is_none_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("this is no model")
    assert inside("export", text, "--runs", tmp_path / "runs").code == 3
    path = made.linear(tmp_path / "a.onnx", (2,))
    assert inside("export", path, "--target", "fast", "--runs", tmp_path / "runs").code == 7
    assert not list(tmp_path.glob("runs/model/*"))


def test_the_api_exports_a_model_made_elsewhere(tmp_path: Path) -> None:
    path = two_pairs(tmp_path / "net.onnx")
    options = kdeploy.Options(runs=tmp_path / "runs")
    file, record = kdeploy.export_model(path, options, bottleneck="factored")
    assert file.read_bytes() == path.read_bytes()
    plain = made.linear(tmp_path / "a.onnx", (2,))
    assert kdeploy.export_model(plain, options)[1].bottleneck.shipped == "plain"
    assert record.bottleneck.shipped == "factored"


@pytest.mark.skipif("tract" not in installed.available(), reason="tract is not installed, which hangs")
def test_tract_hangs_in_an_einsum_and_the_other_runtimes_are_compared(tmp_path):
    weights = np.random.default_rng(0).standard_normal((64, 5)).astype(np.float32)
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["three"]),
        helper.make_node("Einsum", ["three", "w"], ["z"], equation="bij,jk->bk"),
        helper.make_node("Identity", ["z"], ["y"]),
    ]
    values = {"shape": np.array([0, 3, 64], np.int64), "w": weights}
    graph = helper.make_graph(
        nodes,
        "einsum",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 5])],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    path = tmp_path / "einsum.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    found = inside("verify", path, "--json")
    assert found.code == 0, found.stderr
    assert {row["runtime"] for row in found.document["rows"]} == reading() - {"tract"}
    assert [one["field"] for one in found.document["unavailable"]] == ["einsum.onnx on tract"]


def test_the_runtimes_that_are_named_are_the_ones_that_are_compared(tmp_path):
    path = made.linear(tmp_path / "a.onnx", (1, 4, 4))
    found = inside("verify", path, "--runtime", "openvino", "--runtime", "reference", "--json")
    assert found.code == 0, found.stderr
    assert [row["runtime"] for row in found.document["rows"]] == ["openvino", "reference"]


@needs_ncnn
def test_a_named_runtime_that_does_not_take_a_model_is_an_error(tmp_path):
    path = of_one_batch(made.linear(tmp_path / "a.onnx", (1, 4, 4)), 4)
    found = inside("verify", path, "--runtime", "ncnn")
    assert (found.code, found.stdout) == (3, "")
    sentence = f"error: runtime 'ncnn': must take a.onnx ({ONE_ROW}). Choose another with --runtime."
    assert found.stderr.splitlines()[-1] == sentence


def of_any_size(path: Path) -> Path:
    """A convolution over any height and width, whose average goes through a linear layer that takes height 6 alone."""
    draws = np.random.default_rng(0)
    weights = {
        "w": draws.standard_normal((5, 3, 3, 3), np.float32),
        "rows": draws.standard_normal((6, 1), np.float32),
        "order": np.array([0, 5]),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("ReduceMean", ["c"], ["m"], axes=[3], keepdims=0),
        helper.make_node("MatMul", ["m", "rows"], ["r"]),
        helper.make_node("Reshape", ["r", "order"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 5])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_free_lengths_are_those_that_are_given(tmp_path):
    path = of_any_size(tmp_path / "a.onnx")
    found = inside("verify", path, "--shape", "3,6,8", "--runtime", "onnxruntime", "--json")
    assert found.code == 0, found.stderr
    assert [(row["model"], row["passed"]) for row in found.document["rows"]] == [("a.onnx", True)]
    shown = inside("show", path, "--shape", "3,6,8", "--json")
    assert shown.document["input_shapes"] == {"x": [1, 3, 6, 8]}
    assert shown.document["compute"]["multiply_adds"] == 6 * 8 * 5 * 27 + 5 * 6


@pytest.mark.parametrize("verb", ["verify", "show"])
def test_lengths_that_do_not_fit_are_refused(tmp_path, verb):
    path = of_any_size(tmp_path / "a.onnx")
    found = inside(verb, path, "--shape", "4,6,8")
    assert found.code == 3
    assert found.stderr.splitlines()[-1] == (
        f"error: {path}: must have one input that takes (batch, 4, 6, 8) "
        "(1 inputs, the first of shape (batch, 3, free, free)). Give --shape other lengths."
    )


def test_a_free_height_is_called_free(tmp_path):
    path = of_any_size(tmp_path / "a.onnx")
    model = onnx.load(path)
    del model.graph.node[1:]
    model.graph.node.append(helper.make_node("GlobalAveragePool", ["c"], ["p"]))
    model.graph.node.append(helper.make_node("Flatten", ["p"], ["y"]))
    onnx.save(model, path)
    found = inside("show", path)
    assert found.code == 3
    assert found.stderr == (
        f"error: {path}: must have an input of which only the batch is free "
        "(input 'x' of shape (batch, 3, free, free)). "
        "Show and verify take lengths with --shape, as --shape 3,224,224; "
        "for anything else export it with a fixed shape.\n"
    )


def test_what_is_no_shape_is_a_usage_error(tmp_path):
    found = inside("show", of_any_size(tmp_path / "a.onnx"), "--shape", "3,x")
    assert found.code == 2
    assert "--shape must be lengths of at least 1, as 3,224,224 (got '3,x')" in " ".join(found.stderr.split())


def test_a_model_that_no_runtime_takes_is_refused_with_every_reason(tmp_path, monkeypatch: pytest.MonkeyPatch):
    path = made.linear(tmp_path / "a.onnx", (4,))
    jobs = [Job(path, "a.onnx", name, tmp_path / "0.npz") for name in ("openvino", "onnxruntime")]
    outcomes = {
        "openvino": Comparison(None, "it ended with signal 6 at loading"),
        "onnxruntime": Comparison(None, "no"),
    }
    monkeypatch.setattr(external_models, "outcome", lambda job: outcomes[job.runtime])
    with pytest.raises(ModelError) as caught:
        external_models.rows_of(jobs, Progress(), wanted=False)
    assert str(caught.value) == (
        f"{path}: must be taken by one of the runtimes that are here "
        "(openvino: it ended with signal 6 at loading; onnxruntime: no)."
    )


def test_a_model_that_ends_onnx_runtime_is_compared_on_the_others(tmp_path, monkeypatch: pytest.MonkeyPatch):
    path = made.linear(tmp_path / "a.onnx", (4,))
    honest = external_models.outcome

    def ends(*_: object) -> None:
        raise ResourceError(str(path), "must be run once", got="it ended with signal 11")

    def ended(job: Job) -> Comparison:
        return Comparison(None, "it ended with signal 11 at loading") if job.runtime == "onnxruntime" else honest(job)

    monkeypatch.setattr(external_models, "call_once", ends)
    monkeypatch.setattr(external_models, "outcome", ended)
    monkeypatch.setattr(installed, "names", lambda: ["onnxruntime", "openvino"])
    record = external_models.verify_models([path], Progress())
    assert [(row.runtime, row.passed) for row in record.rows] == [("openvino", True)]
    assert "near ties" not in {family.name for family in record.rows[0].families}
    assert [one.field for one in record.unavailable] == ["a.onnx on onnxruntime"]
