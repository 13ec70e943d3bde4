from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.errors import ModelError
from kdeploy.runtimes import ports
from kdeploy.runtimes.border import Port
from kdeploy.runtimes.ports import Ports
from kdeploy.runtimes.protocol import Refused
from tests.runtimes.conftest import conv_linear_model, saved_source

FLOAT = np.dtype(np.float32)
LENGTHS = st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=4).map(tuple)
PORT = st.builds(Port, st.text(min_size=1, max_size=9), st.sampled_from(["f4", "f8", "i8", "?"]).map(np.dtype), LENGTHS)
SOME = st.lists(PORT, max_size=3).map(tuple)


@given(st.builds(Ports, SOME, SOME))
def test_what_is_kept_is_read_back(tmp_path_factory: pytest.TempPathFactory, known: Ports):
    artefact = tmp_path_factory.mktemp("ports") / "model.pte"
    ports.keep(known, artefact)
    assert ports.kept(artefact, runtime="scripted") == known


def test_a_graph_is_read_in_its_order(tmp_path: Path):
    path = saved_source(conv_linear_model(), tmp_path).onnx
    assert ports.of_graph(path, runtime="scripted") == Ports(
        (Port("image", FLOAT, (None, 1, 8, 8)),), (Port("logits", FLOAT, (None, 10)), Port("total", FLOAT, (None,)))
    )


def test_a_free_number_of_rows_becomes_one_and_a_fixed_one_stays():
    free = Ports((Port("a", FLOAT, (None, 3)), Port("b", FLOAT, (2, 3))), (Port("c", FLOAT, (None,)),))
    assert ports.fixed(free, runtime="scripted") == Ports(
        (Port("a", FLOAT, (1, 3)), Port("b", FLOAT, (2, 3))), (Port("c", FLOAT, (1,)),)
    )


def test_another_free_length_is_refused():
    with pytest.raises(Refused) as caught:
        ports.fixed(Ports((Port("a", FLOAT, (None, None)),), ()), runtime="scripted")
    assert caught.value.reason == ("scripted needs every length but the batch fixed, and input 'a' has a free one")


@pytest.mark.parametrize("content", [None, "no json", "{}"])
def test_a_file_that_is_not_there_or_is_another_is_an_error_of_ours(content: str | None, tmp_path: Path):
    artefact = tmp_path / "model.pte"
    if content is not None:
        ports.beside(artefact).write_text(content)
    with pytest.raises(ModelError) as caught:
        ports.kept(artefact, runtime="scripted")
    assert str(caught.value).startswith(f"{tmp_path / 'model.pte.json'}: must be a model that scripted reads (")
