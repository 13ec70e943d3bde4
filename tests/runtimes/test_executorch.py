from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kdeploy.errors import ModelError
from kdeploy.runtimes.executorch import ExecuTorch
from kdeploy.runtimes.protocol import NotOffered, Refused, Source
from kdeploy.runtimes.reference import Reference
from tests.runtimes.conftest import calibrated
from tests.runtimes.exported import exported_source

pytestmark = pytest.mark.skipif(ExecuTorch().missing() is not None, reason=f"executorch: {ExecuTorch().missing()}")


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("executorch")
    return ExecuTorch().convert(exported_source(folder), folder, precision="fp32")


def test_the_settings_are_read_back(artefact: Path):
    session = ExecuTorch().load(artefact, threads=1)
    assert session.settings == {"threads": "1", "fixed_batch": "1", "version": ExecuTorch().version()}


def test_an_array_that_may_not_be_written_to_is_taken(artefact: Path):
    image = np.zeros((1, 1, 8, 8), np.float32)
    image.flags.writeable = False
    assert ExecuTorch().load(artefact, threads=1).run({"image": image})["logits"].shape == (1, 10)


def test_a_model_that_came_as_onnx_is_refused(source: Source, folder: Path):
    with pytest.raises(Refused) as caught:
        ExecuTorch().convert(source, folder, precision="fp32")
    assert caught.value.reason == "executorch is made of a torch module, and this model came as ONNX"


def test_a_file_that_is_no_model_is_an_error_of_ours(artefact: Path, tmp_path: Path):
    path = tmp_path / "model.pte"
    path.write_bytes(b"garbage")
    Path(f"{path}.json").write_bytes(Path(f"{artefact}.json").read_bytes())
    with pytest.raises(ModelError) as caught:
        ExecuTorch().load(path, threads=1)
    assert str(caught.value).startswith(f"{path}: must be a model that executorch reads (")


@pytest.fixture
def exported(tmp_path: Path) -> Source:
    return exported_source(tmp_path)


def test_int8_is_small_and_stays_near(exported: Source, folder: Path):
    plain = ExecuTorch().convert(exported, folder, precision="fp32").stat().st_size
    artefact = ExecuTorch().convert(calibrated(exported), folder, precision="int8")
    assert artefact.stat().st_size < plain
    session = ExecuTorch().load(artefact, threads=1)
    (name, rows), *_ = exported.example.items()
    exact = Reference().load(exported.onnx, threads=1).run({name: rows[:1]})["logits"]
    error = float(np.abs(session.run({name: rows[:1]})["logits"] - exact).max())
    # 8 bits through two layers: a few percent of the largest logit
    assert 0 < error <= 0.05 * np.abs(exact).max()


def test_int8_without_inputs_to_calibrate_on_is_refused(exported: Source, folder: Path):
    with pytest.raises(Refused) as caught:
        ExecuTorch().convert(exported, folder, precision="int8")
    assert caught.value.reason == "int8 needs inputs to calibrate on, and there are none"


def test_half_floats_are_not_offered(exported: Source, folder: Path):
    with pytest.raises(NotOffered) as caught:
        ExecuTorch().convert(exported, folder, precision="fp16")
    assert caught.value.reason == "executorch converts to fp32 and int8, not to fp16"
