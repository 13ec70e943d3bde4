"""Every hostile file that we know of, each with its exit code, inspected by one child under the limits of a single one.

The child may take 1 GiB of memory and 10 s of processor time, for all of the files together.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from kdeploy.graphs.inspector.record import InspectionLimits
from tests.graphs.inspector import hostile
from tests.graphs.inspector.hostile import bare, good, model, node, unary, value
from tests.program import python

FILE = "model.onnx"
# bytes, a model, or a function that writes a file of another kind into its folder
Content = bytes | onnx.ModelProto | Callable[[Path], None]

INSPECT = """
import json, sys
from pathlib import Path
from kdeploy.errors import KdeployError
from kdeploy.graphs.inspector.record import InspectionLimits
from kdeploy.system.limits import Limits, limit
limits = InspectionLimits()
limit(Limits(limits.cpu_seconds, limits.cpu_seconds, limits.memory_bytes))
from kdeploy.graphs.inspector.contents import inspect_contents
for folder in sorted(Path(sys.argv[1]).iterdir()):
    try:
        code = 5 if inspect_contents(folder / "models" / "model.onnx", limits).unrepeatable else 0
    except (KdeployError, MemoryError) as exc:
        code = getattr(exc, "exit_code", 8)
    print(json.dumps([folder.name, code]), flush=True)
"""


def huge(folder: Path) -> None:
    """A hole of 3 GiB, which takes no disk."""
    (folder / FILE).touch()
    os.truncate(folder / FILE, 3 * 2**30)


def endless(folder: Path) -> None:
    os.mkfifo(folder / FILE)


def side_file(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    """A model whose weight is in a side file of this name, which is made as told."""

    def write(folder: Path) -> None:
        make(folder / name)
        hostile.write(hostile.external(name), folder / FILE)

    return write


def parent_link(folder: Path) -> None:
    (folder / "link").symlink_to("..")
    hostile.write(hostile.external("link/canary"), folder / FILE)


def always_true() -> onnx.ModelProto:
    """A loop without a number of rounds, whose condition stays true."""
    found = hostile.endless_loop()
    found.graph.node[0].input[0] = ""
    return found


def named(name: str) -> onnx.ModelProto:
    return hostile.changed(lambda made: setattr(made.graph.node[0], "name", name))


THREE: dict[str, Content] = {
    "random": random.Random(0).randbytes(4096),
    "text": b"this is no model\n" * 20,
    "empty": b"",
    "truncated": good().SerializeToString()[:-20],
    "trailing junk": good().SerializeToString() + b"\x82\x7d\x03abc",
    "pipe": endless,
    "folder": lambda folder: (folder / FILE).mkdir(),
    "link to nowhere": lambda folder: (folder / FILE).symlink_to("nowhere"),
    "offset abc": hostile.external("w.data", offset="abc"),
    "offset negative": hostile.external("w.data", offset="-1"),
    "offset beyond": hostile.external("w.data", offset="25"),
    "length negative": hostile.external("w.data", length="-24"),
    "length 10^12": hostile.external("w.data", length=str(10**12)),
    "length short": hostile.external("w.data", length="20"),
    "raw data short": good(tensors=[bare("w", [3, 2], raw_data=bytes(20))]),
    "dims negative": good(tensors=[bare("w", [-3, -2], raw_data=bytes(24))]),
    "dims without data": good(tensors=[bare("w", [2**32, 2**32])]),
    "loop of 2^63": hostile.endless_loop(),
    "loop for ever": always_true(),
    "20 nested ifs": hostile.nested_ifs(20),
    "100 nested ifs": hostile.nested_ifs(100),
    "duplicate outputs": good(outputs=[value("y", ["rows", 2])] * 2),
    "not single assignment": model([node("Relu", ["x"], "y"), node("Neg", ["x"], "y")]),
    "cycle": hostile.cycle(),
    "opset 9999": good(opset=9999),
    "opset 0": good(opset=0),
    "ir 9999": good(ir_version=9999),
    "custom domain": unary("Gelu", domain="my.domain"),
    "ai.onnx.ml": unary("Gelu", domain="ai.onnx.ml"),
    "com.microsoft": unary("Gelu", domain="com.microsoft"),
    "functions": hostile.with_function(),
    "hidden bomb": hostile.hidden_bomb(),
    "no nodes": model([], outputs=[value("x", ["rows", 3])]),
    "no outputs": good(outputs=[]),
    "10000 outputs": good(outputs=[value(f"y{number}", ["rows", 2]) for number in range(10_000)]),
    "string input": good(inputs=[value("x", ["rows", 3], TensorProto.STRING)]),
    "sequence input": good(inputs=[onnx.helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None)]),
    "200000 nodes": model([node("Relu", ["x"], "y")] * 200_000),
    "name of a megabyte": named("n" * 10**6),
}
FOUR: dict[str, Content] = {
    "parent": hostile.external("../canary"),
    "through a folder": hostile.external("a/../../canary"),
    "absolute": hostile.external("/etc/hostname"),
    "through a link": parent_link,
    "nul": hostile.external("w.data\0x"),
    "no location": hostile.external(""),
    "drive": hostile.external("C:\\x"),
    "share": hostile.external("\\\\srv\\x"),
    "soft link": side_file("soft", lambda path: path.symlink_to("../canary")),
    "hard link": side_file("hard", lambda path: path.hardlink_to(path.parent.parent / "canary")),
    "side folder": side_file("side", lambda path: path.mkdir()),
    "side pipe": side_file("side", os.mkfifo),
    "unknown key": hostile.external("w.data", __class__="x"),
    "swapped": hostile.external("w.data", checksum="0" * 40),
}
FIVE: dict[str, Content] = {
    "batch norm": hostile.batch_norm(training=True),
    "old batch norm": hostile.old_batch_norm(),
    "dropout": hostile.dropout(training=True),
    "random node": unary("RandomNormalLike"),
}
EIGHT: dict[str, Content] = {
    "constant bomb": hostile.constant_bomb(),
    "expand bomb": hostile.expand_bomb(),
    "3 GiB": huge,
}
ZERO: dict[str, Content] = {
    "good": good(),
    "weight beside": hostile.external("w.data"),
    "name of a path": named("../../a'\"\n"),
}
EXPECTED = {name: code for code, table in ((3, THREE), (4, FOUR), (5, FIVE), (8, EIGHT), (0, ZERO)) for name in table}


def written(name: str, content: Content, place: Path) -> None:
    """A folder with a canary, and inside of it one with the model and a side file."""
    folder = place / name / "models"
    folder.mkdir(parents=True)
    (folder.parent / "canary").write_bytes(hostile.WEIGHT.tobytes())
    (folder / "w.data").write_bytes(hostile.WEIGHT.tobytes())
    if callable(content):
        content(folder)
    else:
        hostile.write(content, folder / FILE)


@pytest.fixture(scope="module")
def codes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """The exit code of each file, in the order in which the child came to it."""
    place = tmp_path_factory.mktemp("hostile")
    for table in (THREE, FOUR, FIVE, EIGHT, ZERO):
        for name, content in table.items():
            written(name, content, place)
    done = python("-c", INSPECT, place)
    assert done.code == 0, (done.stderr, done.stdout[-200:])  # it was ended by its limits, or broke
    return dict(json.loads(line) for line in done.stdout.splitlines())


def test_the_limits_are_ten_seconds_and_a_gibibyte():
    assert (InspectionLimits().cpu_seconds, InspectionLimits().memory_bytes) == (10, 2**30)


def test_every_file_was_inspected(codes):
    assert len(EXPECTED) == 63
    assert sorted(codes) == sorted(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_hostile_file_ends_with_its_exit_code(name, codes):
    assert codes[name] == EXPECTED[name]


def test_an_input_without_axes_is_refused(tmp_path, command):
    stored = [numpy_helper.from_array(np.array([1, 2]), "shape")]
    scalar = model(
        [node("Expand", ["x", "shape"], "y")], inputs=[value("x", [])], outputs=[value("y", [1, 2])], tensors=stored
    )
    assert command("verify", hostile.write(scalar, tmp_path / FILE)).code == 3
