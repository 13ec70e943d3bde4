"""One changed byte, one extra file, one wrong output: all found, by kdeploy and by the bundle's own program alike."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdeploy.bundles.fixed_zip import npz_bytes
from kdeploy.bundles.programs import bundle_core as core
from kdeploy.bundles.verify import models_of, verify
from kdeploy.errors import BundleError, IntegrityError, KdeployError
from tests.bundles.conftest import (
    FILES,
    NAME,
    Outcome,
    build,
    by_itself,
    by_kdeploy,
    edit_manifest,
    pixels,
    replace,
    run_program,
    write_model,
)
from tests.program import environment

Check = Callable[[Path], Outcome]
CHANGED = "The bundle was changed after it was made: get it again from where it came."


def test_a_whole_bundle_passes(bundle: Path, check: Check) -> None:
    assert check(bundle) == Outcome(0, "")


def test_the_verdict_says_what_was_measured(built: Path) -> None:
    verdict = verify(built / "bundle")
    assert (verdict.name, verdict.files, verdict.samples, verdict.allowed_error) == (NAME, len(FILES), 5, 1e-4)
    assert 0 <= verdict.largest_error <= 1e-4
    assert verdict.runtime == f"onnxruntime {onnxruntime.__version__}"
    assert verdict.promise == (
        "Integrity only, not authenticity: this shows that no byte changed by itself, not who made the bundle."
    )


def test_the_zip_gives_the_verdict_of_the_folder(built: Path) -> None:
    assert verify(built / f"{NAME}.zip") == verify(built / "bundle")


def test_the_program_prints_the_same_verdict_as_json(built: Path) -> None:
    done = run_program(built / "bundle", "verify.py", "--json")
    assert done.returncode == 0 and done.stderr == ""
    found = json.loads(done.stdout)
    assert found["schema"] == "kdeploy.bundle-verdict/1"
    assert found == json.loads(verify(built / "bundle").to_json())


def test_the_program_says_in_words_what_it_checked(built: Path) -> None:
    done = run_program(built / "bundle", "verify.py")
    error = verify(built / "bundle").largest_error
    assert done.stdout.splitlines() == [
        f"tiny-digits: {len(FILES)} files as listed; 5 golden samples within 0.0001 (largest error {error:.3g}, "
        f"onnxruntime {onnxruntime.__version__}).",
        "Integrity only, not authenticity: this shows that no byte changed by itself, not who made the bundle.",
    ]


def test_checking_leaves_the_bundle_as_it_was(bundle: Path) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in bundle.rglob("*"))
    assert [by_itself(bundle).code, by_itself(bundle).code] == [0, 0]
    verify(bundle)
    assert sorted((path, path.stat().st_mtime_ns) for path in bundle.rglob("*")) == before


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_is_found_and_named(bundle: Path, check: Check, name: str) -> None:
    data = bytearray((bundle / name).read_bytes())
    good = hashlib.sha256(data).hexdigest()
    data[10 if name.endswith(".py") else len(data) // 2] ^= 1  # of the programs, in the docstring: they must still run
    (bundle / name).write_bytes(data)
    bad = hashlib.sha256(data).hexdigest()
    message = f"must have the SHA-256 of manifest.json ({bad[:12]}... instead of {good[:12]}...). {CHANGED}"
    assert check(bundle) == Outcome(4, f"{bundle / name}: {message}")


def test_a_core_that_no_longer_parses_is_found_before_it_runs(bundle: Path) -> None:
    data = bytearray((bundle / "bundle_core.py").read_bytes())
    data[data.index(b"import hashlib")] ^= 1
    (bundle / "bundle_core.py").write_bytes(data)
    assert by_itself(bundle).code == 4


def test_a_byte_changed_anywhere_in_the_manifest_is_found(bundle: Path) -> None:
    data = (bundle / "manifest.json").read_bytes()
    for place in range(len(data)):
        spoiled = bytearray(data)
        spoiled[place] ^= 0x01
        (bundle / "manifest.json").write_bytes(spoiled)
        with pytest.raises(KdeployError, match=r"manifest\.json: ") as caught:
            verify(bundle)
        assert caught.value.exit_code in (3, 4)


def test_a_name_changed_in_the_manifest_is_found(bundle: Path, check: Check) -> None:
    data = (bundle / "manifest.json").read_bytes()
    (bundle / "manifest.json").write_bytes(data.replace(NAME.encode(), NAME.encode().swapcase()))
    message = f"must end with the SHA-256 of all before its last line (another). {CHANGED}"
    assert check(bundle) == Outcome(4, f"{bundle / 'manifest.json'}: {message}")


def test_an_error_allowed_beyond_reason_is_refused(bundle: Path, check: Check) -> None:
    edit_manifest(bundle, lambda found: found.update(golden_atol=0.5))
    outcome = check(bundle)
    assert outcome.code == 3
    assert re.fullmatch(rf"{bundle}/manifest\.json: golden_atol must be at most 0\.0[0-9]+ \(0\.5\)\.", outcome.message)


def test_a_batch_left_open_that_the_model_fixes_is_found(tmp_path: Path, check: Check) -> None:
    model = write_model(tmp_path / "five.onnx", batch=5)
    build(tmp_path, model=model)
    bundle = tmp_path / "out" / "bundle"
    assert check(bundle) == Outcome(0, "")
    edit_manifest(bundle, lambda found: (found["model"].update(batch=None), open_batch(found)))
    outcome = check(bundle)
    assert outcome.code == 3
    assert outcome.message.startswith("student.onnx: must run on its own inputs (")


def open_batch(found: dict[str, Any]) -> None:
    found["model"]["inputs"][0]["shape"][0] = None


def test_a_key_that_names_code_is_refused(bundle: Path, check: Check) -> None:
    specs = json.loads((bundle / "preprocessing.json").read_bytes())
    specs[0]["loader_module"] = "os"
    replace(bundle, {"preprocessing.json": json.dumps(specs).encode()})
    message = "must not name code (a key 'loader_module'). Get the bundle from someone you trust: a bundle is data."
    assert check(bundle) == Outcome(4, f"{bundle / 'preprocessing.json'}: {message}")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_found_and_named(bundle: Path, check: Check, name: str) -> None:
    if name == "verify.py" and check is by_itself:
        pytest.skip("a program that is not there cannot run")
    (bundle / name).unlink()
    if not any((bundle / name).parent.iterdir()):
        (bundle / name).parent.rmdir()
    message = f"{bundle / name}: must be here, as manifest.json says (missing). {CHANGED}"
    assert check(bundle) == Outcome(4, message)


@pytest.mark.parametrize("name", ["extra", ".hidden", ".gitignore", ".git/config", "golden/more.npz", "numpy.py"])
def test_an_extra_file_is_found_and_never_imported(bundle: Path, check: Check, name: str) -> None:
    (bundle / name).parent.mkdir(exist_ok=True)
    (bundle / name).write_text("raise SystemExit(99)")
    outcome = check(bundle)
    shown, kind = (".git", "folder") if name.startswith(".git/") else (name, "file")
    message = f"{bundle / shown}: must be listed in manifest.json (an extra {kind}). {CHANGED}"
    assert outcome == Outcome(4, message)


def test_an_extra_module_of_the_standard_library_is_not_imported(bundle: Path) -> None:
    (bundle / "argparse.py").write_text("raise SystemExit(99)")
    done = subprocess.run([sys.executable, bundle / "verify.py"], capture_output=True, timeout=60, check=False)
    assert done.returncode == 4


def test_an_empty_folder_is_found(bundle: Path, check: Check) -> None:
    (bundle / "empty").mkdir()
    assert check(bundle) == Outcome(
        4, f"{bundle / 'empty'}: must be listed in manifest.json (an extra folder). {CHANGED}"
    )


def make_link(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)  # the path of a socket is at most 108 bytes
        server.bind(path.name)
        os.chdir(here)


KINDS = {
    "symbolic link": make_link,
    "pipe": make_pipe,
    "device or socket": make_socket,
    "folder": Path.mkdir,
}


@pytest.mark.parametrize("kind", KINDS)
def test_something_else_in_a_files_place_is_found(bundle: Path, check: Check, kind: str) -> None:
    (bundle / "labels.json").rename(bundle.parent / "elsewhere")
    KINDS[kind](bundle / "labels.json")
    assert check(bundle) == Outcome(4, f"{bundle / 'labels.json'}: must be a regular file ({kind}). {CHANGED}")


def test_a_manifest_that_is_a_link_is_refused(bundle: Path, check: Check) -> None:
    shutil.move(bundle / "manifest.json", bundle.parent / "elsewhere")
    (bundle / "manifest.json").symlink_to(bundle.parent / "elsewhere")
    message = f"{bundle / 'manifest.json'}: must be a regular file (symbolic link)."
    assert check(bundle) == Outcome(4, message)


def test_another_size_is_found(bundle: Path, check: Check) -> None:
    size = (bundle / "labels.json").stat().st_size
    with (bundle / "labels.json").open("ab") as file:
        file.write(b" ")
    message = f"must be {size} bytes, as manifest.json says ({size + 1})"
    assert check(bundle) == Outcome(4, f"{bundle / 'labels.json'}: {message}. {CHANGED}")


def test_a_folder_without_a_manifest_is_no_bundle(bundle: Path, check: Check) -> None:
    (bundle / "manifest.json").unlink()
    message = f"{bundle}: must be a kdeploy bundle, with a manifest.json (No such file or directory)."
    assert check(bundle) == Outcome(3, message)


def test_wrong_golden_outputs_under_a_corrected_hash_are_measured(bundle: Path, check: Check) -> None:
    with np.load(bundle / "golden/outputs.npz") as arrays:
        logits = arrays["logits"].copy()
    logits[3, 7] += 0.5
    replace(bundle, {"golden/outputs.npz": npz_bytes({"logits": logits})})
    version = onnxruntime.__version__
    message = (
        f"{bundle / 'golden/outputs.npz'}: must be what the model computes (sample 3 is off by 0.5, allowed 0.0001). "
        f"Computed with onnxruntime {version}; the bundle was tested with onnxruntime {version}."
    )
    assert check(bundle) == Outcome(5, message)


def test_nan_in_golden_outputs_never_passes(bundle: Path, check: Check) -> None:
    replace(bundle, {"golden/outputs.npz": npz_bytes({"logits": np.full((5, 10), np.nan, np.float32)})})
    assert check(bundle).code == 5


def test_other_preprocessing_under_a_corrected_hash_is_measured(bundle: Path, check: Check) -> None:
    specs = json.loads((bundle / "preprocessing.json").read_bytes())
    specs[0]["scale"] = 0.5 / 255
    replace(bundle, {"preprocessing.json": json.dumps(specs).encode()})
    message = f"{bundle / 'golden/inputs.npz'}: must be what preprocessing gives, within 1e-05 (off by 0.5)."
    assert check(bundle) == Outcome(5, message)


GOLDEN_FILES: dict[str, tuple[dict[str, bytes], int, str]] = {
    "no logits": (
        {"golden/outputs.npz": npz_bytes({"other": np.zeros(1)})},
        3,
        "golden/outputs.npz: must hold logits (['other']).",
    ),
    "other classes": (
        {"golden/outputs.npz": npz_bytes({"logits": np.zeros((5, 9), np.float32)})},
        3,
        "golden/outputs.npz: must hold logits of shape (5, 10) ((5, 9)).",
    ),
    "no canonical inputs": (
        {"golden/inputs.npz": npz_bytes({"model.image": np.zeros(1)})},
        3,
        "golden/inputs.npz: must hold canonical.image (['model.image']).",
    ),
    "canonical of another type": (
        {"golden/inputs.npz": npz_bytes({"model.image": np.zeros(1), "canonical.image": np.zeros((1, 1, 28, 28))})},
        3,
        "golden/inputs.npz: must be uint8 of shape (samples, 1, 28, 28) (float64 of shape (1, 1, 28, 28)).",
    ),
    "prepared of another shape": (
        {"golden/inputs.npz": npz_bytes({"model.image": np.zeros(1), "canonical.image": pixels(1)})},
        3,
        "golden/inputs.npz: must hold inputs of shape (1, 1, 28, 28) ((1,)).",
    ),
    "no samples": (
        {
            "golden/inputs.npz": npz_bytes(
                {"model.image": np.zeros((0, 1, 28, 28), np.float32), "canonical.image": pixels(0)}
            )
        },
        3,
        "golden/inputs.npz: must hold as many samples of each input, and some ({0}).",
    ),
    "no zip": (
        {"golden/inputs.npz": b"nothing"},
        3,
        "golden/inputs.npz: must be an .npz file (File is not a zip file).",
    ),
    "fewer labels": (
        {"labels.json": b'["only"]'},
        3,
        "golden/outputs.npz: must hold logits of shape (5, 1) ((5, 10)).",
    ),
    "labels are no list": ({"labels.json": b"{}"}, 3, "labels.json: must be a list of class names ({})."),
    "specs are no list": ({"preprocessing.json": b"{}"}, 3, "preprocessing.json: must be a list ({})."),
    "no specs": ({"preprocessing.json": b"[]"}, 3, "preprocessing.json: must say how 'image' is prepared ([])."),
}


@pytest.mark.parametrize(("contents", "code", "message"), GOLDEN_FILES.values(), ids=GOLDEN_FILES)
def test_contents_that_do_not_fit_are_refused_after_their_hashes(
    bundle: Path, check: Check, contents: dict[str, bytes], code: int, message: str
) -> None:
    replace(bundle, contents)
    assert check(bundle) == Outcome(code, f"{bundle}/{message}")


def test_a_model_that_is_none_is_refused(bundle: Path, check: Check) -> None:
    replace(bundle, {"student.onnx": b"nothing"})
    outcome = check(bundle)
    assert outcome.code == 3 and "student.onnx: must " in outcome.message


def test_a_model_that_reads_other_inputs_is_refused(bundle: Path, check: Check) -> None:
    edit_manifest(bundle, lambda found: found["model"]["inputs"][0].update(name="y"))
    outcome = check(bundle)
    assert outcome.code == 3 and outcome.message.startswith("student.onnx: must run on its own inputs (")


@pytest.mark.parametrize("schema", ["kdeploy.bundle/1.7", "kdeploy.bundle/1"])
def test_newer_minor_versions_and_unknown_fields_pass(bundle: Path, check: Check, schema: str) -> None:
    edit_manifest(bundle, lambda found: found.update(schema=schema, invented=[1, {"a": None}]))
    assert check(bundle) == Outcome(0, "")


def test_a_newer_major_version_names_the_kdeploy_it_needs(bundle: Path, check: Check) -> None:
    edit_manifest(bundle, lambda found: found.update(schema="kdeploy.bundle/2", needs_kdeploy="3.1"))
    assert check(bundle) == Outcome(
        3,
        f"{bundle / 'manifest.json'}: schema must be kdeploy.bundle/1 (kdeploy.bundle/2). This bundle needs kdeploy "
        ">= 3.1.",
    )


@pytest.mark.parametrize("kind", ["nowhere", "pipe", "text"])
def test_a_path_that_is_neither_folder_nor_zip_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "thing"
    if kind == "pipe":
        os.mkfifo(path)
    if kind == "text":
        path.write_text("hello")
    got = {"nowhere": "No such file or directory", "pipe": "a pipe", "text": "another kind of file"}[kind]
    with pytest.raises(BundleError) as caught:
        verify(path)
    assert str(caught.value) == f"{path}: must be a bundle folder or its zip ({got})."


def test_errors_of_the_program_are_json_too(bundle: Path) -> None:
    (bundle / "extra").write_bytes(b"")
    done = run_program(bundle, "verify.py", "--json")
    error: dict[str, Any] = json.loads(done.stdout)["error"]
    assert (error["kind"], error["exit_code"], done.returncode) == ("IntegrityError", 4, 4)
    assert error["message"] == done.stderr.strip()


def test_without_the_packages_the_files_are_checked_and_the_install_line_given(bundle: Path) -> None:
    command = [sys.executable, "-I", "-S", str(bundle / "verify.py")]  # -S: no site-packages
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 7
    assert done.stderr == (
        "onnxruntime: must be installed (No module named 'onnxruntime'). Install it with: pip install onnxruntime\n"
    )
    (bundle / "labels.json").write_bytes(b"changed")
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 4


def test_a_bundle_reached_by_a_link_and_read_only_is_checked(bundle: Path) -> None:
    link = bundle.parent / "current release"
    link.symlink_to(bundle)
    bundle.chmod(0o555)
    try:
        assert verify(link).samples == 5
        assert by_itself(link).code == 0
    finally:
        bundle.chmod(0o755)


def test_a_model_of_two_inputs_is_checked(pair_bundle: Path, check: Check) -> None:
    assert check(pair_bundle) == Outcome(0, "")


def tireless(folder: Path, name: str) -> bytes:
    """A hostile model in place of the bundle's, with the same inputs and outputs."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 28, 28])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 10])
    tensors = {"huge": [10**6, 10**6], "ten": [1, 10], "most": 2**62, "true": True}
    nodes = {
        "loop": [helper.make_node("Loop", ["most", "true", "start"], ["logits"], body=BODY, name="loop")],
        "bomb": [
            helper.make_node("ConstantOfShape", ["huge"], ["large"], name="large"),
            helper.make_node("ReduceMax", ["large"], ["largest"], name="largest", keepdims=0),
            helper.make_node("Expand", ["largest", "ten"], ["logits"], name="expand"),
        ],
    }[name]
    kept = [numpy_helper.from_array(np.array(value), key) for key, value in tensors.items()]
    kept.append(numpy_helper.from_array(np.zeros((1, 10), np.float32), "start"))
    graph = helper.make_graph(nodes, name, [x], [logits], kept)
    path = folder / "hostile.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    content = path.read_bytes()
    path.unlink()
    return content


BODY = helper.make_graph(
    [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["value"], ["next"])],
    "body",
    [
        helper.make_tensor_value_info("round", TensorProto.INT64, []),
        helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        helper.make_tensor_value_info("value", TensorProto.FLOAT, [1, 10]),
    ],
    [
        helper.make_tensor_value_info("on", TensorProto.BOOL, []),
        helper.make_tensor_value_info("next", TensorProto.FLOAT, [1, 10]),
    ],
)


def hasten(folder: Path, *edits: tuple[str, str]) -> None:
    """Edit the core of a bundle, so that its patience ends after two seconds of processor time."""
    source = (folder / "bundle_core.py").read_text()
    for before, after in (("return 20 + files + ", "return 2 + "), *edits):
        assert before in source
        source = source.replace(before, after)
    replace(folder, {"bundle_core.py": source.encode()})


def test_a_model_that_never_ends_is_found_by_its_operator_and_not_run(bundle: Path) -> None:
    replace(bundle, {"student.onnx": tireless(bundle.parent, "loop")})
    assert by_kdeploy(bundle) == Outcome(
        4,
        f"{bundle}/student.onnx: node 'loop' (Loop) must not be control flow. "
        "kdeploy bundles no such model: do not run it, and get the bundle again from where it came.",
    )


def test_a_model_that_is_no_bundles_is_not_timed_either(bundle: Path) -> None:
    replace(bundle, {"student.onnx": tireless(bundle.parent, "loop")})
    with pytest.raises(IntegrityError, match="must not be control flow"):
        models_of(bundle)


@pytest.mark.parametrize("words", [("verify.py",), ("predict.py", "sample.npy")])
def test_a_model_that_never_ends_does_end_in_the_programs_of_a_bundle(bundle: Path, words: tuple[str, ...]) -> None:
    np.save(bundle.parent / "sample.npy", pixels(1))
    replace(bundle, {"student.onnx": tireless(bundle.parent, "loop")})
    hasten(bundle, ("timeout=2 * allowed", "timeout=30 * allowed"))  # on a busy machine the clock might be first
    done = run_program(bundle, *words)
    assert (done.returncode, done.stdout) == (8, "")
    assert done.stderr == (
        f"{bundle}/student.onnx: must answer within 2 s of processor time (it took more). Do not run it here.\n"
    )


def test_a_program_ends_by_the_clock_where_the_processor_time_is_not_limited(bundle: Path) -> None:
    replace(bundle, {"student.onnx": tireless(bundle.parent, "loop")})
    hasten(bundle, ("import resource\n", "raise ImportError\n"))  # as on Windows
    done = run_program(bundle, "verify.py", "--json")
    message = f"{bundle}/student.onnx: must answer within 2 s of processor time (it took 4 s by the clock)."
    assert (done.returncode, done.stderr) == (8, f"{message} Do not run it here.\n")
    error = json.loads(done.stdout)["error"]
    assert (error["kind"], error["exit_code"]) == ("ResourceError", 8)


def test_a_model_that_wants_a_terabyte_is_refused(bundle: Path) -> None:
    replace(bundle, {"student.onnx": tireless(bundle.parent, "bomb")})
    must = "must hold at most 4294967296 bytes at once while it runs (4000000003140 bytes at one row)."
    assert by_kdeploy(bundle) == Outcome(8, f"{bundle}/student.onnx: {must}")
    outcome = by_itself(bundle)
    assert outcome.code == 8
    assert "student.onnx: must run within the memory that it may take (" in outcome.message


@pytest.mark.parametrize("program", ["verify.py", "predict.py"])
def test_a_crash_is_a_sentence_too(bundle: Path, program: str) -> None:
    np.save(bundle.parent / "sample.npy", pixels(1))
    crash = ("options = onnxruntime.SessionOptions()", "os.kill(os.getpid(), signal.SIGSEGV)")
    hasten(bundle, ("timeout=2 * allowed", "timeout=30 * allowed"), crash)
    done = run_program(bundle, program, *(["sample.npy"] if program == "predict.py" else []))
    must = "must answer within 2 s of processor time (it ended with -11)"
    assert (done.returncode, done.stderr) == (8, f"{bundle}/student.onnx: {must}. Do not run it here.\n")


def test_time_and_memory_grow_with_what_is_read_and_with_the_processors(tmp_path: Path) -> None:
    (tmp_path / "model").touch()
    least = core.allowance(tmp_path / "model", [])
    assert least == (20, 2**32 + 2**28 * (os.cpu_count() or 1))
    os.truncate(tmp_path / "model", 2**30)  # a hole, which takes no disk
    more = core.allowance(tmp_path / "model", [tmp_path / "missing", tmp_path])
    assert more == (22 + 5 * 1024, least.memory + 10 * 2**30)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_golden_run_leaves_no_process_behind(bundle: Path, number: int) -> None:
    source = (
        "from pathlib import Path; from kdeploy.bundles.verify import verify; import sys; verify(Path(sys.argv[1]))"
    )
    parent = subprocess.Popen([sys.executable, "-c", source, str(bundle)], env=environment(), stderr=subprocess.DEVNULL)
    own = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    while parent.poll() is None and not (children := own.read_text().split()):
        pass
    parent.send_signal(number)
    parent.wait(timeout=30)
    for _ in range(100):
        if not any(Path(f"/proc/{child}").exists() for child in children):
            return
        time.sleep(0.1)
    pytest.fail("a child is still there")


def test_what_a_file_manager_left_is_named_after_what_was_altered(bundle: Path) -> None:
    (bundle / ".DS_Store").write_bytes(b"x")
    (bundle / "golden" / "Thumbs.db").write_bytes(b"x")
    with pytest.raises(BundleError) as caught:
        verify(bundle)
    assert (caught.value.exit_code, str(caught.value)) == (
        3,
        f"{bundle}/.DS_Store: must not be in a bundle (a file manager's, which leaves it where it has looked). "
        "Remove all 2.",
    )
    (bundle / "README.md").unlink()
    with pytest.raises(IntegrityError, match=r"README\.md: must be here"):
        verify(bundle)
