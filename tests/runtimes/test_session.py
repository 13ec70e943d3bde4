from __future__ import annotations

import numpy as np
import pytest

from kdeploy.errors import DataError, KdeployError, ModelError
from kdeploy.runtimes.border import Port
from kdeploy.runtimes.ports import Ports
from kdeploy.runtimes.session import CallSession

FLOAT = np.dtype(np.float32)
PORTS = Ports((Port("a", FLOAT, (1, 2)), Port("b", FLOAT, (1, 2))), (Port("c", FLOAT, (1, 2)),))
INPUTS = {"b": np.full((1, 2), 3, np.float32), "a": np.full((1, 2), 5, np.float32)}


def session(call=lambda arrays: [arrays[0] - arrays[1]]) -> CallSession:
    return CallSession(call, PORTS, {"threads": "1"}, where="model.x", runtime="scripted")


def test_inputs_come_in_the_order_of_the_graph_and_outputs_by_their_names():
    assert session().run(INPUTS)["c"].tolist() == [[2, 2]]


def test_a_fixed_batch_is_in_the_settings():
    assert session().settings == {"threads": "1", "fixed_batch": "1"}


def test_inputs_of_another_model_are_refused():
    with pytest.raises(DataError, match=r"^model\.x: must be given the inputs \['a', 'b'\] "):
        session().run({"a": INPUTS["a"]})


def test_a_foreign_error_becomes_ours():
    def breaks(_arrays):
        raise OSError("first line\nthe cause.")

    with pytest.raises(ModelError) as caught:
        session(breaks).run(INPUTS)
    assert str(caught.value) == "model.x: must run in scripted (the cause)."


def test_a_number_of_outputs_that_is_not_the_graphs_is_an_error():
    with pytest.raises(ValueError, match="zip"):
        session(lambda arrays: arrays).run(INPUTS)


def test_a_closed_session_does_not_run():
    closed = session()
    closed.close()
    with pytest.raises(KdeployError) as caught:
        closed.run(INPUTS)
    assert str(caught.value) == "model.x: must not be run after close()."


def test_arrays_of_any_layout_come_in_c_order():
    seen = []
    inputs = {"a": np.arange(4, dtype=np.float32)[None, ::2], "b": np.asfortranarray(INPUTS["b"])}
    session(lambda arrays: [seen.extend(arrays)]).run(inputs)
    assert all(array.flags.c_contiguous for array in seen)
    assert seen[0].tolist() == [[0, 2]]


def test_the_only_row_of_a_reversed_batch_has_the_strides_of_c_order():
    seen = []
    inputs = {"a": np.arange(4, dtype=np.float32).reshape(2, 2)[::-1][:1], "b": INPUTS["b"]}
    assert inputs["a"].strides[0] < 0
    session(lambda arrays: [seen.extend(arrays)]).run(inputs)
    assert seen[0].strides == (8, 4)
