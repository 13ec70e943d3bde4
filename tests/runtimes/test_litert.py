from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy.errors import ModelError
from kdeploy.runtimes.litert import LiteRt
from kdeploy.runtimes.protocol import Refused, Source
from tests.runtimes.exported import exported_source
from tests.runtimes.fresh import files_written_at_home

pytestmark = pytest.mark.skipif(LiteRt().missing() is not None, reason=f"litert: {LiteRt().missing()}")

RUN = """
import sys, numpy
from pathlib import Path
from kdeploy.runtimes.litert import LiteRt
session = LiteRt().load(Path(sys.argv[1]), threads=1)
session.run({"image": numpy.zeros((1, 1, 8, 8), "f4")})
assert not {"torch", "litert_torch"} & set(sys.modules)
"""


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("litert")
    return LiteRt().convert(exported_source(folder), folder, precision="fp32")


def test_nothing_is_written_at_home_and_torch_is_not_needed(artefact: Path, tmp_path: Path):
    assert files_written_at_home(RUN, artefact, tmp_path / "home") == []


def test_what_cannot_be_read_back_is_not_in_the_settings(artefact: Path):
    assert LiteRt().load(artefact, threads=1).settings == {"fixed_batch": "1", "version": LiteRt().version()}


def test_a_model_that_came_as_onnx_is_refused(source: Source, folder: Path):
    with pytest.raises(Refused) as caught:
        LiteRt().convert(source, folder, precision="fp32")
    assert caught.value.reason == "litert is made of a torch module, and this model came as ONNX"


def test_a_file_that_is_no_model_is_an_error_of_ours(artefact: Path, tmp_path: Path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"garbage")
    Path(f"{path}.json").write_bytes(Path(f"{artefact}.json").read_bytes())
    with pytest.raises(ModelError) as caught:
        LiteRt().load(path, threads=1)
    assert str(caught.value).startswith(f"{path}: must be a model that litert reads (")
