from __future__ import annotations

import hashlib
from pathlib import Path

from kdeploy.runtimes import artefacts


def test_the_digest_of_one_file_is_its_sha256(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"abc")
    assert artefacts.digest(path) == hashlib.sha256(b"abc").hexdigest()
    assert artefacts.size_bytes(path) == 3


def test_weights_beside_a_model_belong_to_it(tmp_path: Path) -> None:
    pairs = ("model.xml", "model.bin"), ("model.onnx", "model.onnx.data"), ("n.param", "n.bin"), ("x.pte", "x.pte.json")
    for names in pairs:
        path, weights = (tmp_path / name for name in names)
        path.write_bytes(b"abc")
        alone = artefacts.digest(path)
        weights.write_bytes(b"defg")
        both = artefacts.digest(path)
        lines = [f"{p.name}\0{hashlib.sha256(p.read_bytes()).hexdigest()}\n" for p in (path, weights)]
        assert artefacts.size_bytes(path) == 7
        assert both == hashlib.sha256("".join(lines).encode()).hexdigest() != alone


def test_other_files_beside_a_model_do_not(tmp_path: Path) -> None:
    for name in ("model.onnx", "model.bin", "other.onnx.data"):
        (tmp_path / name).write_bytes(b"abc")
    assert artefacts.files_of(tmp_path / "model.onnx") == (tmp_path / "model.onnx",)
