from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from kdeploy.errors import MissingError, ModelError
from kdeploy.runtimes.openvino import OpenVino
from kdeploy.runtimes.protocol import NotOffered, Refused, Source
from kdeploy.runtimes.reference import Reference
from kdeploy.system import host
from kdeploy.system.files import hash_folder
from tests import made
from tests.runtimes.conftest import calibrated
from tests.runtimes.fresh import files_written_at_home

CONVERT_AND_RUN = """
import sys, numpy
from pathlib import Path
from kdeploy.runtimes.openvino import OpenVino
from kdeploy.runtimes.protocol import Source
model = Path(sys.argv[1])
example = {"image": numpy.zeros((1, 1, 8, 8), "f4")}
artefact = OpenVino().convert(Source(model, None, example, None), model.parent, precision="fp32")
OpenVino().load(artefact, threads=1).run(example)
"""


def test_nothing_is_written_at_home(source: Source, tmp_path: Path):
    assert files_written_at_home(CONVERT_AND_RUN, source.onnx, tmp_path / "home") == []


def test_the_weights_stay_in_single_precision(source: Source, folder: Path):
    artefact = OpenVino().convert(source, folder, precision="fp32")
    assert sorted(path.name for path in folder.iterdir()) == ["model.bin", "model.xml"]
    weights = 4 * 1 * 3 * 3 + 4 + 10 * 64 + 10
    assert artefact.with_suffix(".bin").stat().st_size >= 4 * weights


def test_the_settings_are_read_back(source: Source, folder: Path):
    session = OpenVino().load(OpenVino().convert(source, folder, precision="fp32"), threads=1)
    assert session.settings == {
        "precision": "fp32",
        "threads": "1",
        "streams": "1",
        "provider": "CPU",
        "version": OpenVino().version(),
    }


def test_an_onnx_file_loads_without_conversion(source: Source, folder: Path):
    converted = OpenVino().load(OpenVino().convert(source, folder, precision="fp32"), threads=1)
    direct = OpenVino().load(source.onnx, threads=1)
    assert np.array_equal(direct.run(source.example)["logits"], converted.run(source.example)["logits"])


def test_an_input_keeps_its_name_where_a_node_that_did_nothing_was_removed(folder: Path):
    path = made.linear(folder / "flat.onnx", (2,))  # Flatten of what is flat already
    example = {"x": np.ones((3, 2), np.float32)}
    artefact = OpenVino().convert(Source(path, None, example, None), folder, precision="fp32")
    assert OpenVino().load(artefact, threads=1).run(example)["logits"].shape == (3, 3)


@pytest.mark.parametrize("is_converted", [True, False])
def test_inputs_keep_their_names_behind_dropouts_that_do_nothing(is_converted: bool, folder: Path):
    nodes = [
        onnx.helper.make_node("Dropout", ["x"], ["d"], name="first"),
        onnx.helper.make_node("Dropout", ["d"], ["e"]),
        onnx.helper.make_node("MatMul", ["e", "w"], ["y"]),
    ]
    path = made.graph(folder / "dropout.onnx", nodes, (2,), 3, w=np.ones((2, 3), np.float32))
    example = {"x": np.ones((4, 2), np.float32)}
    source = Source(path, None, example, None)
    artefact = OpenVino().convert(source, folder, precision="fp32") if is_converted else path
    assert OpenVino().load(artefact, threads=1).run(example)["y"].tolist() == [[2.0, 2.0, 2.0]] * 4


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_equal_models_give_equal_bytes_whatever_was_converted_before(
    precision: str, source: Source, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    if precision == "int8":
        pytest.importorskip("nncf", reason="nncf is in the extra 'nncf'")
    monkeypatch.setattr("kdeploy.runtimes.openvino._refuse_other", lambda _compiled, _precision: None)
    other = Source(made.linear(tmp_path / "other.onnx", (2,)), None, {"x": np.ones((3, 2), np.float32)}, None)
    first, second = (tmp_path / name for name in ("first", "second"))
    for place, model in ((first, calibrated(source)), (folder, other), (second, calibrated(source))):
        place.mkdir(exist_ok=True)
        OpenVino().convert(model, place, precision="fp32" if model is other else precision)
    assert hash_folder(first) == hash_folder(second)
    assert [*hash_folder(first)] == ["model.bin", "model.xml"]
    ran = [OpenVino().load(place / "model.xml", threads=1).run(source.example) for place in (first, second)]
    assert ran[0].keys() == {"logits", "total"}
    assert all(np.array_equal(ran[0][name], ran[1][name]) for name in ran[0])


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_an_input_with_the_name_of_a_node_keeps_it(precision: str, folder: Path):
    if precision == "int8":
        pytest.importorskip("nncf", reason="nncf is in the extra 'nncf'")
    model = onnx.load(made.linear(folder / "named.onnx", (2,)))
    model.graph.input[0].name = model.graph.node[0].input[0] = "node_1"
    onnx.save(model, folder / "named.onnx")
    example = {"node_1": np.ones((3, 2), np.float32)}
    source = Source(folder / "named.onnx", None, example, [example])
    artefact = OpenVino().convert(source, folder, precision=precision)
    assert OpenVino().load(artefact, threads=1).run(example)["logits"].shape == (3, 3)


def test_it_computes_in_single_precision_and_not_in_bfloat16(source: Source):
    """bfloat16 keeps 8 bits: an error of 1e-3 and more on these logits, where single precision stays below 1e-5."""
    exact = Reference().load(source.onnx, threads=1).run(source.example)["logits"]
    found = OpenVino().load(source.onnx, threads=1).run(source.example)["logits"]
    assert np.max(np.abs(found - exact)) <= 1e-5


def test_the_caller_may_reuse_its_input_array(source: Source):
    session = OpenVino().load(source.onnx, threads=1)
    array = source.example["image"].copy()
    first = session.run({"image": array})["logits"].copy()
    array *= 2
    assert not np.array_equal(session.run({"image": array})["logits"], first)


@pytest.mark.parametrize(
    "arrange", [np.asfortranarray, lambda a: a[:, :, ::-1], lambda a: np.broadcast_to(a[:1], a.shape)]
)
def test_arrays_of_any_layout_and_read_only_ones_are_read_right(arrange, source: Source):
    array = arrange(source.example["image"])
    found = OpenVino().load(source.onnx, threads=1).run({"image": array})["logits"]
    exact = Reference().load(source.onnx, threads=1).run({"image": np.ascontiguousarray(array)})["logits"]
    assert np.max(np.abs(found - exact)) <= 1e-5


def test_a_file_that_is_no_model_is_an_error_of_ours(tmp_path: Path):
    path = tmp_path / "model.xml"
    with pytest.raises(ModelError) as caught:
        OpenVino().load(path, threads=1)
    assert str(caught.value) == (
        f'{path}: must be a model that openvino reads (ir: Could not open the file: "{path}"). '
        "Check the path, or export the model again."
    )


def test_a_source_that_cannot_be_converted_is_an_error_of_ours(tmp_path: Path, folder: Path):
    path = tmp_path / "absent.onnx"
    with pytest.raises(ModelError) as caught:
        OpenVino().convert(Source(path, None, {}, None), folder, precision="fp32")
    assert caught.value.where == str(path)
    assert caught.value.must == "must be a model that openvino reads"


def test_bfloat16_is_what_the_file_asks_for_and_the_processor_does(source: Source, folder: Path):
    if not host.has_bf16():
        pytest.skip("this processor does not multiply in bfloat16")
    session = OpenVino().load(OpenVino().convert(source, folder, precision="bf16"), threads=1)
    assert session.settings["precision"] == "bf16"
    exact = Reference().load(source.onnx, threads=1).run(source.example)["logits"]
    error = np.max(np.abs(session.run(source.example)["logits"] - exact))
    # 8 bits against 24: off by more than float32 is, and by less than a percent of logits of the order of 10
    assert 1e-5 < error < 1e-1


def test_a_precision_that_the_processor_computes_in_another_is_refused(source: Source, folder: Path):
    found = read_back("f16")
    if found == "fp16":
        pytest.skip("this processor multiplies in half floats")
    with pytest.raises(Refused) as caught:
        OpenVino().convert(source, folder, precision="fp16")
    assert caught.value.reason == f"on this processor openvino computes in {found} where fp16 is asked for"
    assert list(folder.iterdir()) == []


def read_back(hint: str) -> str:
    import openvino

    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if "FP16" in capabilities:
        return {"f16": "fp16"}[hint]
    return "bf16" if "BF16" in capabilities else "fp32"


def test_a_precision_that_nobody_knows_is_not_offered(source: Source, folder: Path):
    with pytest.raises(NotOffered) as caught:
        OpenVino().convert(source, folder, precision="int4")
    assert caught.value.reason == "openvino converts to fp32, fp16, bf16, int8, not to int4"


def test_int8_without_nncf_says_what_to_install(source: Source, folder: Path, monkeypatch: pytest.MonkeyPatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "nncf" else find(name))
    with pytest.raises(MissingError) as caught:
        OpenVino().convert(calibrated(source), folder, precision="int8")
    assert str(caught.value) == (
        "runtime 'openvino': must have nncf to convert to int8. Install it with: pip install 'kdeploy[nncf]'."
    )


def test_int8_without_inputs_to_calibrate_on_is_refused(source: Source, folder: Path):
    with pytest.raises(Refused) as caught:
        OpenVino().convert(source, folder, precision="int8")
    assert caught.value.reason == "int8 needs inputs to calibrate on, and there are none"


def test_int8_is_small_says_so_and_stays_near(source: Source, folder: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("nncf", reason="nncf is in the extra 'nncf'")
    plain = OpenVino().convert(source, folder, precision="fp32").with_suffix(".bin").stat().st_size
    artefact = OpenVino().convert(calibrated(source), folder, precision="int8")
    assert artefact.with_suffix(".bin").stat().st_size < plain / 2
    assert capsys.readouterr().out == ""
    session = OpenVino().load(artefact, threads=1)
    assert session.settings["precision"] == "int8"
    exact = Reference().load(source.onnx, threads=1).run(source.example)["logits"]
    # weights and activations of 8 bits through two layers: a few percent of the largest logit
    assert 0 < np.max(np.abs(session.run(source.example)["logits"] - exact)) <= 0.05 * np.abs(exact).max()


def test_weights_in_int8_have_7_bits_in_every_layer(source: Source, folder: Path):
    pytest.importorskip("nncf", reason="nncf is in the extra 'nncf'")
    artefact = OpenVino().convert(calibrated(source), folder, precision="int8")
    constants = [node for node in openvino_model(artefact).get_ops() if node.get_type_name() == "Constant"]
    quantised = [node.data for node in constants if node.data.dtype == np.int8 and node.data.ndim > 1]
    assert [array.shape for array in quantised if array.size > 10] == [(10, 64), (4, 1, 3, 3)]
    assert max(int(np.abs(array.astype(int)).max()) for array in quantised) in {63, 64}


def openvino_model(path: Path) -> Any:
    import openvino

    return openvino.Core().read_model(path)


def test_what_is_no_model_is_no_model_in_int8_either(tmp_path: Path, folder: Path):
    source = Source(tmp_path / "absent.onnx", None, {}, [])
    with pytest.raises(ModelError) as caught:
        OpenVino().convert(source, folder, precision="int8")
    assert caught.value.must == "must be a model that openvino reads"
