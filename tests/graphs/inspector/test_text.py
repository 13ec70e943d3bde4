"""Every string of a model that is not UTF-8, wherever it stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from kdeploy.errors import ModelError
from kdeploy.graphs.inspector.contents import inspect_contents
from kdeploy.graphs.inspector.record import InspectionLimits
from tests.graphs.inspector import hostile
from tests.graphs.inspector.hostile import changed

WORD = "wwwwwwww"
SPOILED = b"wwww\xffwww"


def metadata(found: onnx.ModelProto, *, value: bool) -> None:
    found.metadata_props.add(key="key" if value else WORD, value=WORD if value else "value")


def attribute(found: onnx.ModelProto, name: str = "name", **fields: object) -> None:
    found.graph.node[0].attribute.add(name=name, **fields)


def dimension(found: onnx.ModelProto) -> None:
    found.graph.input[0].type.tensor_type.shape.dim[0].dim_param = WORD


def denotation(found: onnx.ModelProto) -> None:
    found.graph.input[0].type.denotation = WORD


def tensor_of_attribute(found: onnx.ModelProto) -> None:
    attribute(found, t=onnx.TensorProto(name=WORD, dims=[0], data_type=1))


def side_file(found: onnx.ModelProto) -> None:
    found.graph.initializer[0].external_data.add(key=WORD, value="")


PLACES: dict[str, Callable[[onnx.ModelProto], object]] = {
    "producer_name": lambda found: setattr(found, "producer_name", WORD),
    "doc_string": lambda found: setattr(found, "doc_string", WORD),
    "domain": lambda found: setattr(found, "domain", WORD),
    "opset_import[0].domain": lambda found: setattr(found.opset_import[0], "domain", WORD),
    "metadata_props[0].key": lambda found: metadata(found, value=False),
    "metadata_props[0].value": lambda found: metadata(found, value=True),
    "graph.name": lambda found: setattr(found.graph, "name", WORD),
    "graph.doc_string": lambda found: setattr(found.graph, "doc_string", WORD),
    "graph.node[0].name": lambda found: setattr(found.graph.node[0], "name", WORD),
    "graph.node[0].op_type": lambda found: setattr(found.graph.node[0], "op_type", WORD),
    "graph.node[0].domain": lambda found: setattr(found.graph.node[0], "domain", WORD),
    "graph.node[0].doc_string": lambda found: setattr(found.graph.node[0], "doc_string", WORD),
    "graph.node[0].input[2]": lambda found: found.graph.node[0].input.append(WORD),
    "graph.node[0].output[1]": lambda found: found.graph.node[0].output.append(WORD),
    "graph.node[0].attribute[0].name": lambda found: attribute(found, WORD),
    "graph.node[0].attribute[0].s": lambda found: attribute(found, s=WORD.encode()),
    "graph.node[0].attribute[0].strings[1]": lambda found: attribute(found, strings=[b"", WORD.encode()]),
    "graph.node[0].attribute[0].t.name": tensor_of_attribute,
    "graph.initializer[0].name": lambda found: setattr(found.graph.initializer[0], "name", WORD),
    "graph.initializer[0].doc_string": lambda found: setattr(found.graph.initializer[0], "doc_string", WORD),
    "graph.initializer[0].external_data[0].key": side_file,
    "graph.input[0].name": lambda found: setattr(found.graph.input[0], "name", WORD),
    "graph.input[0].type.tensor_type.shape.dim[0].dim_param": dimension,
    "graph.input[0].type.denotation": denotation,
    "graph.output[0].doc_string": lambda found: setattr(found.graph.output[0], "doc_string", WORD),
    "functions[0].name": lambda found: found.functions.add(name=WORD),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_string_that_is_not_utf8_is_refused_and_named(place: str, tmp_path: Path) -> None:
    content = changed(PLACES[place]).SerializeToString()
    assert content.count(WORD.encode()) == 1
    path = hostile.write(content.replace(WORD.encode(), SPOILED), tmp_path / "model.onnx")
    with pytest.raises(ModelError) as caught:
        inspect_contents(path, InspectionLimits())
    assert str(caught.value) == (
        f"{path}: must have its text in UTF-8 ({place} is {SPOILED!r}). Export the model again."
    )


def test_words_of_other_scripts_are_text(tmp_path: Path) -> None:
    def rename(found: onnx.ModelProto) -> None:
        found.graph.node[0].name = "слой 一"
        attribute(found, "transA", s="слой".encode())
        del found.graph.node[0].attribute[:]

    path = hostile.write(changed(rename), tmp_path / "model.onnx")
    assert inspect_contents(path, InspectionLimits()).operators == {"MatMul": 1}
