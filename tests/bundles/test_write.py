"""Writing a bundle: what is in it, that it is a pure function, and what is refused."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdeploy.bundles.verify import verify
from kdeploy.bundles.write import Golden
from kdeploy.errors import BundleError
from kdeploy.samples.preprocessing_numpy import apply_numpy
from tests.bundles.conftest import FILES, LABELS, NAME, SPEC, build, pixels, write_model

GOLDEN = Golden({"image": pixels(2)}, np.zeros((2, 10), np.float32), 1e-4)


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_holds_the_listed_files_and_the_manifest(built: Path) -> None:
    assert sorted(tree(built / "bundle")) == sorted([*FILES, "manifest.json"])


def test_the_zip_holds_the_same_bytes_as_the_folder(built: Path) -> None:
    with zipfile.ZipFile(built / f"{NAME}.zip") as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    assert entries == {f"{NAME}/{path}": content for path, content in tree(built / "bundle").items()}


def test_twice_gives_equal_bytes_of_folder_and_zip(built: Path, tmp_path: Path) -> None:
    record = build(tmp_path)
    assert tree(tmp_path / "out") == tree(built)
    assert record == build(tmp_path)


def test_every_file_is_readable_by_all_and_not_executable(built: Path) -> None:
    modes = {stat.S_IMODE((built / "bundle" / name).stat().st_mode) for name in (*FILES, "manifest.json")}
    assert modes == {0o644}


def test_the_record_counts_what_was_written(tmp_path: Path) -> None:
    record = build(tmp_path)
    written = tree(tmp_path / "out" / record.folder)
    assert record.bytes == sum(map(len, written.values()))
    assert {file.path: file.bytes for file in record.files} == {path: len(data) for path, data in written.items()}
    assert record.archive_bytes == (tmp_path / "out" / record.archive).stat().st_size
    assert (record.name, record.golden_samples, record.golden_atol) == (NAME, 5, 1e-4)


def test_golden_inputs_are_kept_canonical_and_as_the_model_reads_them(built: Path) -> None:
    with np.load(built / "bundle/golden/inputs.npz", allow_pickle=False) as arrays:
        assert arrays["canonical.image"].dtype == np.uint8
        np.testing.assert_array_equal(arrays["canonical.image"], pixels())
        np.testing.assert_array_equal(arrays["model.image"], apply_numpy(SPEC, pixels()))


def test_the_manifest_says_how_the_model_is_called(built: Path) -> None:
    found = json.loads((built / "bundle/manifest.json").read_bytes())
    inputs = [{"name": "x", "from": "image", "shape": [None, 1, 28, 28], "dtype": "float32"}]
    assert found["model"] == {"file": "student.onnx", "inputs": inputs, "output": "logits", "batch": None}
    assert found["formats"] == {"openvino": "formats/openvino/model.xml"}
    assert list(found)[:3] == ["schema", "needs_kdeploy", "name"]


def test_leftovers_of_a_killed_call_do_not_stay(tmp_path: Path) -> None:
    (tmp_path / "out" / "bundle").mkdir(parents=True)
    (tmp_path / "out" / "bundle" / "half").write_bytes(b"x")
    build(tmp_path)
    assert verify(tmp_path / "out" / "bundle").files == len(FILES)


def test_a_folder_of_a_format_is_taken_whole(tmp_path: Path) -> None:
    (tmp_path / "ncnn" / "sub").mkdir(parents=True)
    (tmp_path / "ncnn" / "model.param").write_bytes(b"p")
    (tmp_path / "ncnn" / "sub" / "model.bin").write_bytes(b"b")
    build(tmp_path, formats={"ncnn": tmp_path / "ncnn"})
    written = set(tree(tmp_path / "out" / "bundle"))
    assert {"formats/ncnn/model.param", "formats/ncnn/sub/model.bin"} <= written


def test_what_belongs_beside_a_file_of_a_format_goes_along(tmp_path: Path) -> None:
    place = tmp_path / "ncnn"
    place.mkdir()
    for name in ("model.param", "model.bin", "model.param.json", "other.txt"):
        (place / name).write_bytes(b"x")
    build(tmp_path, formats={"ncnn": place / "model.param"})
    bundle = tmp_path / "out" / "bundle"
    written = {path.removeprefix("formats/ncnn/") for path in tree(bundle) if path.startswith("formats/ncnn/")}
    assert written == {"model.param", "model.bin", "model.param.json"}
    assert json.loads((bundle / "manifest.json").read_bytes())["formats"] == {"ncnn": "formats/ncnn/model.param"}


def refused(folder: Path, **changes: Any) -> str:
    with pytest.raises(BundleError) as caught:
        build(folder, **changes)
    return str(caught.value)


@pytest.mark.parametrize("name", ["../x", "a/b", "", "con", "a b", "x" * 101, "a\n", ".hidden", "a."])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    escaped = name.replace("\n", "\\n")
    assert refused(tmp_path, name=name) == (
        "bundle name: must be at most 100 letters, digits, '.', '_' and '-', and no name that an operating system "
        f"keeps ('{escaped}'). Change the recipe's name."
    )


def test_a_format_that_is_not_there_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "missing.xml"
    assert refused(tmp_path, formats={"openvino": missing}) == (
        f"format openvino: must be a model file or a folder of files ({missing})."
    )


def test_an_evidence_name_that_leads_out_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, evidence={"evidence/../../x.json": b"{}"}) == (
        "bundle: must name only plain files inside the bundle ('tiny-digits/evidence/../../x.json': '.', '..' or a "
        "name ending in a dot). Rename the file."
    )


GOLDEN_PROBLEMS = {
    "other input": (
        GOLDEN._replace(inputs={"sound": pixels(2)}),
        "golden samples: must have the inputs image (sound).",
    ),
    "none": (
        GOLDEN._replace(inputs={"image": pixels(0)}),
        "golden samples: must be as many for each input, and some ({'image': 0}, 10 classes).",
    ),
    "other count": (
        GOLDEN._replace(inputs={"image": pixels(3)}),
        "golden samples: must have logits of shape (3, 10) (shape (2, 10)).",
    ),
    "NaN": (
        GOLDEN._replace(logits=np.full((2, 10), np.nan, np.float32)),
        "golden samples: must have finite logits (NaN or infinite ones).",
    ),
}


@pytest.mark.parametrize(("golden", "message"), GOLDEN_PROBLEMS.values(), ids=GOLDEN_PROBLEMS)
def test_golden_samples_that_do_not_fit_are_refused(tmp_path: Path, golden: Golden, message: str) -> None:
    assert refused(tmp_path, golden=golden) == message


def test_class_names_must_be_as_many_as_logits(tmp_path: Path) -> None:
    assert refused(tmp_path, class_names=LABELS[:9]) == (
        "golden samples: must have logits of shape (5, 9) (shape (5, 10))."
    )


def test_a_model_with_a_fixed_batch_is_verified_with_the_last_batch_filled_up(tmp_path: Path) -> None:
    model = write_model(tmp_path / "fixed.onnx", batch=2)
    build(tmp_path, model=model)  # five golden samples, two at a time
    assert verify(tmp_path / "out" / "bundle").samples == 5
