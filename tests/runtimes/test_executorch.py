from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kdeploy.errors import ModelError
from kdeploy.runtimes.executorch import ExecuTorch
from kdeploy.runtimes.protocol import Refused, Source
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
