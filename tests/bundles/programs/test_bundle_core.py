"""The parts of the check: strict JSON, names, the manifest, arrays, preprocessing."""

from __future__ import annotations

import contextlib
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy.bundles.fixed_zip import npz_bytes
from kdeploy.bundles.programs import bundle_core as core
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.samples.preprocessing_numpy import apply_numpy

DIGEST = "0" * 64


def problem(function: Any, *arguments: Any) -> core.Problem:
    with pytest.raises(core.Problem) as caught:
        function(*arguments)
    return caught.value


JSON = {
    "empty": (b"", "Expecting value: line 1 column 1 (char 0)"),
    "not UTF-8": (b'"\xff"', "'utf-8' codec can't decode byte 0xff in position 1: invalid start byte"),
    "BOM": (b"\xef\xbb\xbf{}", "Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)"),
    "duplicate": (b'{"a": 1, "a": 2}', "the key 'a' comes twice"),
    "NaN": (b"[NaN]", "NaN is not a JSON number"),
    "infinity": (b"[-Infinity]", "-Infinity is not a JSON number"),
    "too large": (b"[1e999]", "1e999 is too large"),
    "deep": (b"[" * 100_000, "nested deeper than 32"),
    "half": (b'{"a": ', "Expecting value: line 1 column 7 (char 6)"),
}


@pytest.mark.parametrize(("data", "got"), JSON.values(), ids=JSON)
def test_json_is_strict(data: bytes, got: str) -> None:
    assert str(problem(core.parse_json, data, "m.json")) == f"m.json: must be strict JSON ({got})."


def test_json_has_a_largest_size() -> None:
    message = "m.json: must be at most 4194304 bytes (4194305)."
    assert str(problem(core.parse_json, b" " * 4_194_305, "m.json")) == message


def test_brackets_in_text_are_not_depth() -> None:
    assert core.parse_json(json.dumps(["[" * 100, '\\"[']).encode(), "m.json") == ["[" * 100, '\\"[']


@given(st.text(max_size=30))
def test_a_good_name_stays_inside_on_every_system(name: str) -> None:
    if core.name_fault(name) is None:
        assert Path("/base", name).resolve().is_relative_to("/base")
        assert os.path.normpath(name) == name
        assert name.isascii() and not set(name) & set('\\:*?"<>| \0')


@pytest.mark.parametrize(
    "name", ["a", "golden/inputs.npz", "a-b_c.d/0", "x" * 200, "a/b/c/d/e/f/g/h", ".hidden", "con1"]
)
def test_ordinary_names_are_good(name: str) -> None:
    assert core.name_fault(name) is None


@given(st.text(max_size=300))
def test_what_is_printed_obeys_no_terminal(text: str) -> None:
    assert core.printable(text).isprintable()


GOOD: dict[str, Any] = {
    "schema": "kdeploy.bundle/1",
    "needs_kdeploy": "0.1.0",
    "name": "m",
    "model": {
        "file": "student.onnx",
        "inputs": [{"name": "x", "from": "image", "dtype": "float32", "shape": [None] * 4}],
        "output": "logits",
        "batch": None,
    },
    "golden_atol": 0.001,
    "tested_with": {"onnxruntime": "1"},
    "files": {path: {"sha256": DIGEST, "bytes": 0} for path in core.NEEDED},
}
PROMISE = {"sha256": DIGEST, "bytes": 0}
INPUT = GOOD["model"]["inputs"][0]


def changed(place: str, value: Any) -> dict[str, Any]:
    """GOOD with one value replaced; `...` removes it."""
    found = json.loads(json.dumps(GOOD))
    *parents, last = place.split("|")
    inner = found
    for key in parents:
        inner = inner[int(key)] if isinstance(inner, list) else inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return found


def parsed(found: Any) -> core.Manifest:
    content = core.sealed(found) if isinstance(found, dict) else json.dumps(found).encode()
    return core.parse_manifest(content, "m.json")


def test_a_manifest_from_before_there_were_seals_is_read() -> None:
    assert core.parse_manifest(json.dumps(GOOD).encode(), "m.json") == parsed(GOOD)
    with pytest.raises(core.Broken):
        core.parse_manifest(json.dumps(GOOD | {"schema": core.SEALED}).encode(), "m.json")


def test_a_good_manifest_is_read() -> None:
    manifest = parsed(GOOD)
    assert manifest.files["labels.json"] == core.Promised(DIGEST, 0)
    assert manifest.inputs == [core.ModelInput("x", "image", "float32", (None,) * 4)]
    assert (manifest.name, manifest.output, manifest.batch, manifest.atol) == ("m", "logits", None, 0.001)


MANIFESTS: dict[str, tuple[Any, int, str]] = {
    "a list": ([], 3, "must be a JSON object ([])"),
    "no schema": (changed("schema", ...), 3, "schema must be kdeploy.bundle/1 (None)"),
    "other schema": (changed("schema", "kdeploy.bench/2"), 3, "schema must be kdeploy.bundle/1 ('kdeploy.bench/2')"),
    "no name": (changed("name", 7), 3, "name must be a plain name (7)"),
    "no files": (changed("files", []), 3, "files must be an object ([])"),
    "many files": (
        changed("files", {f"f{number}": PROMISE for number in range(4097)}),
        3,
        "files must be at most 4096 (4097)",
    ),
    "empty": (changed("files", {}), 3, "must list student.onnx ('0 other files')"),
    "outside": (
        changed("files|../x", PROMISE),
        4,
        "must name only plain files inside the bundle ('../x': '.', '..' or a name ending in a dot)",
    ),
    "twice": (changed("files|Labels.json", PROMISE), 4, "must name each file once ('Labels.json' comes twice)"),
    "itself": (changed("files|manifest.json", PROMISE), 4, "must not list itself (manifest.json)"),
    "no promise": (changed("files|labels.json", 1), 3, "files.labels.json must be an object (1)"),
    "upper case": (
        changed("files|labels.json|sha256", "A" * 64),
        3,
        f"files.labels.json.sha256 must be 64 lower-case hexadecimal digits ('{'A' * 64}')",
    ),
    "short": (
        changed("files|labels.json|sha256", "ab"),
        3,
        "files.labels.json.sha256 must be 64 lower-case hexadecimal digits ('ab')",
    ),
    "negative size": (
        changed("files|labels.json|bytes", -1),
        3,
        "files.labels.json.bytes must be a whole number of at least 0 (-1)",
    ),
    "true as a size": (
        changed("files|labels.json|bytes", True),
        3,
        "files.labels.json.bytes must be a whole number of at least 0 (True)",
    ),
    "no model": (changed("model", None), 3, "model must be an object (None)"),
    "no output": (changed("model|output", 1), 3, "model.output must be text (1)"),
    "batch 0": (changed("model|batch", 0), 3, "model.batch must be null or at least 1 (0)"),
    "no inputs": (changed("model|inputs", []), 3, "model.inputs must be a list of at least 1 ([])"),
    "input no object": (changed("model|inputs", ["x"]), 3, "model.inputs must hold objects ('x')"),
    "no source": (changed("model|inputs", [{"name": "x"}]), 3, "model.inputs.from must be text (None)"),
    "other type": (
        changed("model|inputs", [{**INPUT, "dtype": "float64"}]),
        3,
        "model.inputs.dtype must be float32 or uint8 ('float64')",
    ),
    "negative error": (changed("golden_atol", -1), 3, "golden_atol must be a number of at least 0 (-1)"),
    "text as error": (changed("golden_atol", "1"), 3, "golden_atol must be a number of at least 0 ('1')"),
    "versions": (changed("tested_with", [1]), 3, "tested_with must map names to versions ([1])"),
    "no version": (
        changed("tested_with|onnxruntime", "new"),
        3,
        "tested_with must map names to versions ({'onnxruntime': 'new'})",
    ),
    "needs": (changed("needs_kdeploy", "kdeploy"), 3, "needs_kdeploy must be a version ('kdeploy')"),
    "a name that is a path": (changed("name", "../m"), 3, "name must be a plain name ('../m')"),
    "another model": (changed("model|file", "teacher.onnx"), 3, "model.file must be student.onnx ('teacher.onnx')"),
    "no shape": (
        changed("model|inputs|0|shape", ...),
        3,
        "model.inputs.shape must be a list of lengths (None)",
    ),
    "length 0": (
        changed("model|inputs|0|shape", [None, 0]),
        3,
        "model.inputs.shape must be a list of lengths ([None, 0])",
    ),
    "batch of another": (
        changed("model|batch", 8),
        3,
        "model.batch must be the first length of each input ((8, [None, None, None, None]))",
    ),
    "a name twice": (
        changed("model|inputs", [INPUT, INPUT]),
        3,
        "model.inputs must have names of their own (['x', 'x'])",
    ),
    "formats": (changed("formats", []), 3, "formats must be an object ([])"),
    "a format outside": (
        changed("formats", {"openvino": "../x"}),
        4,
        "formats.openvino must be a listed file of that folder ('../x')",
    ),
    "a format that is another file": (
        changed("formats", {"openvino": "labels.json"}),
        4,
        "formats.openvino must be a listed file of that folder ('labels.json')",
    ),
}


@pytest.mark.parametrize(("found", "code", "message"), MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_that_is_wrong_says_where(found: Any, code: int, message: str) -> None:
    caught = problem(parsed, found)
    assert (caught.exit_code, str(caught)) == (code, f"m.json: {message}.")


def test_a_newer_version_without_its_need_is_still_named() -> None:
    message = (
        "m.json: schema must be kdeploy.bundle/1 (kdeploy.bundle/2). This bundle needs kdeploy of a newer version."
    )
    found = {key: value for key, value in changed("schema", "kdeploy.bundle/2").items() if key != "needs_kdeploy"}
    assert str(problem(parsed, found)) == message


@settings(max_examples=300)
@given(st.integers(0, len(json.dumps(GOOD)) - 1), st.binary(min_size=1, max_size=1))
def test_any_byte_changed_in_a_manifest_is_read_or_refused_but_never_crashes(place: int, byte: bytes) -> None:
    data = bytearray(json.dumps(GOOD).encode())
    data[place : place + 1] = byte
    try:
        core.parse_manifest(bytes(data), "m.json")
    except core.Problem as caught:
        assert caught.exit_code in (3, 4)


OTHER_SEAL = f"m.json: must end with the SHA-256 of all before its last line (another). {core.CHANGED}"
SEALED = core.sealed(GOOD | {"schema": core.SEALED})


def test_a_sealed_manifest_is_read() -> None:
    assert core.parse_manifest(SEALED, "m.json") == parsed(GOOD)
    assert json.loads(SEALED) == GOOD | {"schema": core.SEALED, "seal": json.loads(SEALED)["seal"]}


@pytest.mark.parametrize("mask", [0x01, 0x04, 0x20, 0x80])
def test_a_byte_changed_anywhere_in_a_sealed_manifest_is_found(mask: int) -> None:
    for place in range(len(SEALED)):
        data = bytearray(SEALED)
        data[place] ^= mask
        assert problem(core.parse_manifest, bytes(data), "m.json").exit_code in (3, 4)


def test_a_manifest_that_lost_its_seal_or_has_more_behind_it_is_found() -> None:
    head, _, rest = SEALED.partition(b',\n "seal"')
    for data in (head + b"\n}\n", head + b',\n "x": 1,\n "seal"' + rest, SEALED + b"\n", SEALED.replace(b"\n", b"")):
        assert str(problem(core.parse_manifest, data, "m.json")) == OTHER_SEAL


def test_a_seal_is_looked_at_whatever_the_version_says() -> None:
    data = core.sealed(GOOD).replace(b'"m"', b'"n"')
    assert str(problem(core.parse_manifest, data, "m.json")) == OTHER_SEAL


CODE = """code entrypoint entry_point loader loader_module python_function __class__ _target_ module import exec script
hooks pre_load_hook loaderModule CODE code_paths auto_map class trust_remote_code eval-with plugin"""


@pytest.mark.parametrize("key", CODE.split())
def test_a_key_that_names_code_is_refused_wherever_it_stands(key: str) -> None:
    message = f"m.json: must not name code (a key '{key}'). Get the bundle from someone you trust: a bundle is data."
    for place in ("", "model|", "model|inputs|0|"):
        caught = problem(parsed, changed(f"{place}{key}", "os:system"))
        assert (caught.exit_code, str(caught)) == (4, message)
    spec = SPEC | {"more": [{key: "os:system"}]}
    manifest = parsed(GOOD)
    assert str(problem(core.parse_specs, json.dumps([spec]).encode(), manifest, "m.json")) == message
    assert str(problem(core.parse_labels, json.dumps({key: 1}).encode(), "m.json")) == message


@pytest.mark.parametrize("key", ["invented", "class_names", "description", "decoded", "importance", "created", "x.y"])
def test_other_keys_of_newer_versions_are_read(key: str) -> None:
    assert parsed(changed(key, {"a": [None]})) == parsed(GOOD)


def test_a_listed_file_may_have_any_good_name() -> None:
    path = "formats/onnxruntime/module.onnx"
    assert path in parsed(changed(f"files|{path}", PROMISE)).files


SPEC = {"input": "image", "kind": "image", "shape": [3, 4, 4], "dtype": "uint8", "scale": 1.0}
SPECS = {
    "no object": (1, "must hold objects (1)"),
    "no input": (SPEC | {"input": None}, "input must be text (None)"),
    "other kind": (SPEC | {"kind": "sound"}, "kind must be image or array ('sound')"),
    "other type": (SPEC | {"dtype": "int8"}, "dtype must be uint8 or float32 ('int8')"),
    "negative": (SPEC | {"shape": [3, -1]}, "shape must be a list of sizes ([3, -1])"),
    "vast": (SPEC | {"size": [2**20, 2**20]}, "size must be two sizes ([1048576, 1048576])"),
    "size of an array": (SPEC | {"shape": [3], "size": [2, 2]}, "size must be two sizes ([2, 2])"),
    "text as scale": (SPEC | {"scale": "1"}, "scale must be a number ('1')"),
    "short mean": (SPEC | {"mean": [0.5]}, "mean must hold a number a channel ([0.5])"),
    "std of text": (SPEC | {"std": ["a", 1, 1]}, "std must hold a number a channel (['a', 1, 1])"),
}


def test_an_input_is_prepared_once_and_as_the_manifest_says() -> None:
    data = json.dumps([SPEC, SPEC]).encode()
    message = "p.json: must say of each input once how it is prepared (['image'])."
    assert str(problem(core.parse_specs, data, parsed(GOOD), "p.json")) == message
    for shape, got in (([None, 3, 4, 5], "(3, 4, 5)"), ([None, 3], "(3,)"), ([None, 3, 4, 4, 4], "(3, 4, 4, 4)")):
        manifest = parsed(changed("model|inputs|0|shape", shape))
        message = f"p.json: must prepare 'x' as (3, 4, 4) ({got})."
        assert str(problem(core.parse_specs, json.dumps([SPEC]).encode(), manifest, "p.json")) == message


@pytest.mark.parametrize(("spec", "message"), SPECS.values(), ids=SPECS)
def test_a_preprocessing_that_is_wrong_says_where(spec: Any, message: str) -> None:
    data = json.dumps([spec]).encode()
    assert str(problem(core.parse_specs, data, parsed(GOOD), "p.json")) == f"p.json: {message}."


def npy(array: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


ARRAYS = {
    "pickle": (
        npy(np.array([{}], object)),
        4,
        "must hold numbers (Python objects, which would run code). Save it as float32 or uint8.",
    ),
    "text": (npy(np.array(["a"])), 3, "must hold numbers (dtype <U1)."),
    "junk": (b"junk", 3, "must be a NumPy array file (its header cannot be read)."),
    "truncated": (npy(np.zeros(4, np.uint8))[:-1], 3, "must hold the 4 bytes of its header (3)."),
    "trailing": (npy(np.zeros(4, np.uint8)) + b"x", 3, "must hold the 4 bytes of its header (5)."),
    "vast": (
        npy(np.zeros(4, np.uint8)).replace(b"(4,), ", b"(4" + b"0" * 4),
        3,
        "must be a NumPy array file (its header cannot be read).",
    ),
    "negative": (
        npy(np.zeros(40, np.uint8)).replace(b"(40,)", b"(-4,)"),
        3,
        "must hold the -4 bytes of its header (40).",
    ),
}


@pytest.mark.parametrize(("data", "code", "message"), ARRAYS.values(), ids=ARRAYS)
def test_an_array_file_that_is_wrong_is_refused(data: bytes, code: int, message: str) -> None:
    caught = problem(core.parse_npy, data, "a.npy")
    assert (caught.exit_code, str(caught)) == (code, f"a.npy: {message}")


def test_a_header_that_promises_a_terabyte_allocates_nothing() -> None:
    data = npy(np.zeros(4, np.uint8)).replace(b"(4,), }          ", b"(1099511627776,)}")
    assert str(problem(core.parse_npy, data, "a.npy")) == "a.npy: must hold the 1099511627776 bytes of its header (4)."


def test_a_compressed_npz_is_refused() -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=np.zeros(1_000_000))
    message = "a.npz: must be an uncompressed .npz file (compressed). Save it with numpy.savez."
    assert str(problem(core.parse_npz, buffer.getvalue(), "a.npz")) == message


@settings(max_examples=200)
@given(place=st.floats(0, 1), bit=st.integers(0, 7))
@pytest.mark.filterwarnings("ignore:Reading `.npy`")  # NumPy's, on headers that look like Python 2's
def test_one_flipped_bit_in_an_npz_is_read_or_refused_but_never_crashes(place: float, bit: int) -> None:
    data = bytearray(npz_bytes({"x": np.arange(3, dtype=np.float32)}))
    data[int(place * (len(data) - 1))] ^= 1 << bit
    with contextlib.suppress(core.Problem):
        core.parse_npz(bytes(data), "a.npz")


def test_fortran_order_is_read() -> None:
    array = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    np.testing.assert_array_equal(core.parse_npy(npy(array), "a.npy"), array)


@settings(max_examples=50, deadline=None)
@given(
    channels=st.sampled_from([1, 3]),
    sides=st.tuples(*[st.integers(1, 9)] * 4),
    scale=st.sampled_from([1.0, 1 / 255, 0.5]),
    steps=st.tuples(*[st.booleans()] * 3),
    seed=st.integers(0, 9),
)
def test_the_bundle_prepares_as_kdeploy_does(
    channels: int, sides: tuple[int, ...], scale: float, steps: tuple[bool, ...], seed: int
) -> None:
    spec = Preprocessing(
        input="image",
        kind="image",
        shape=(channels, *sides[:2]),
        dtype="uint8",
        scale=scale,
        size=(sides[2], sides[3]) if steps[0] else None,
        mean=(0.3,) * channels if steps[1] else None,
        std=(0.2,) * channels if steps[2] else None,
    )
    batch = np.random.default_rng(seed).integers(0, 256, (2, *spec.shape), dtype=np.uint8)
    carried = core.parse_specs(json.dumps([spec.model_dump(mode="json")]).encode(), parsed(GOOD), "p.json")["image"]
    ours, theirs = apply_numpy(spec, batch), core.prepare(carried, batch)
    assert theirs.dtype == np.float32
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-5 * max(1.0, float(np.abs(ours).max())))


def test_a_file_that_cannot_be_read_is_bad_input(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "long").write_bytes(b"12345")
    expected = {
        "pipe": "must be a regular file (pipe).",
        "long": "must be at most 4 bytes (5).",
        "nowhere": "must be readable (No such file or directory).",
        "nul\0": "must be readable (embedded null byte).",
    }
    for name, message in expected.items():
        assert str(problem(core.read_limited, tmp_path / name, 4, "x")) == f"x: {message}"
