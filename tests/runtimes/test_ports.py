from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

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


def test_the_inputs_are_those_that_no_initialiser_fills():
    model = conv_linear_model()
    model.graph.input.append(helper.make_tensor_value_info("kernel", TensorProto.FLOAT, [4, 1, 3, 3]))
    assert ports.of_graph(model).inputs == (Port("image", FLOAT, (None, 1, 8, 8)),)
    assert ports.of_graph(conv_linear_model(rows=2)).inputs[0].shape == (2, 1, 8, 8)


def test_an_output_whose_type_nobody_says_is_void():
    model = conv_linear_model()
    model.graph.output[1].ClearField("type")
    model.graph.node[-1].domain = "my.own"  # or ONNX would infer it
    assert ports.of_graph(model).outputs[1] == Port("total", np.dtype("V"), ())


def test_a_file_that_is_none_is_refused_in_the_name_of_who_reads_it(tmp_path: Path):
    path = tmp_path / "no.onnx"
    with pytest.raises(ModelError) as caught:
        ports.of_graph(path, runtime="scripted")
    assert str(caught.value) == (
        f"{path}: must be a model that scripted reads ([Errno 2] No such file or directory: '{path}'). "
        "Check the path, or export the model again."
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


def test_a_length_of_minus_1_is_free():
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "free",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [-1, 3]) for name in "x"],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [-1, 3]) for name in "y"],
    )
    [reads], [answers] = ports.of_graph(helper.make_model(graph))
    assert (reads.shape, answers.shape) == ((None, 3), (None, 3))
