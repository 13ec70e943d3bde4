from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kdeploy.errors import ModelError
from kdeploy.runtimes.openvino import OpenVino
from kdeploy.runtimes.protocol import Source
from kdeploy.runtimes.reference import Reference
from tests import made
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
