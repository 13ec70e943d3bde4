from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kdeploy.errors import ModelError
from kdeploy.runtimes.protocol import Source
from kdeploy.runtimes.tract import Tract
from tests.runtimes.fresh import files_written_at_home

pytestmark = pytest.mark.skipif(Tract().missing() is not None, reason=f"tract: {Tract().missing()}")

RUN = """
import sys, numpy
from pathlib import Path
from kdeploy.runtimes.tract import Tract
session = Tract().load(Path(sys.argv[1]), threads=1)
session.run({"image": numpy.zeros((1, 1, 8, 8), "f4")})
"""


def test_nothing_is_written_at_home(source: Source, folder: Path, tmp_path: Path):
    artefact = Tract().convert(source, folder, precision="fp32")
    assert files_written_at_home(RUN, artefact, tmp_path / "home") == []


def test_what_cannot_be_read_back_is_not_in_the_settings(source: Source, folder: Path):
    session = Tract().load(Tract().convert(source, folder, precision="fp32"), threads=1)
    assert session.settings == {"version": Tract().version()}


def test_an_answer_outlives_its_session(source: Source, folder: Path):
    runtime = Tract()
    artefact = runtime.convert(source, folder, precision="fp32")
    session = runtime.load(artefact, threads=1)
    logits = session.run(source.example)["logits"]
    kept = logits.copy()
    session.close()
    del session
    assert np.array_equal(runtime.load(artefact, threads=1).run(source.example)["logits"], kept)
    assert np.array_equal(logits, kept)


def test_a_file_that_is_no_model_is_an_error_of_ours(source: Source, folder: Path):
    artefact = Tract().convert(source, folder, precision="fp32")
    artefact.write_bytes(b"garbage")
    with pytest.raises(ModelError) as caught:
        Tract().load(artefact, threads=1)
    assert str(caught.value).startswith(f"{artefact}: must be a model that tract reads (")
