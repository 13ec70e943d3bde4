"""predict.py: the same logits as the model, images as documented, and bad samples refused."""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.bundles.conftest import build, direct_logits, pixels, replace, run_program, write_model

TOLERANCE = 1e-4  # absolute, on logits of size 10, float32 and one thread on both sides


def predicted(bundle: Path, *files: Path) -> list[dict[str, Any]]:
    done = run_program(bundle, "predict.py", "--json", *files)
    assert (done.returncode, done.stderr) == (0, "")
    results: list[dict[str, Any]] = json.loads(done.stdout)["results"]
    return results


def refused(bundle: Path, *words: Path | str) -> tuple[int, str]:
    done = run_program(bundle, "predict.py", *words)
    assert done.stdout == ""
    return done.returncode, done.stderr.strip()


def expect(bundle: Path, file: Path, canonical: np.ndarray[Any, Any]) -> None:
    """The file is read as this canonical image."""
    (result,) = predicted(bundle, file)
    expected = direct_logits(bundle / "student.onnx", canonical[None])[0]
    np.testing.assert_allclose(result["logits"], expected, rtol=0, atol=TOLERANCE)


def save(image: Image.Image, path: Path, **options: Any) -> Path:
    image.save(path, **options)
    return path


@pytest.fixture
def digit() -> np.ndarray[Any, Any]:
    return pixels(1)[0]


def test_a_png_gives_the_logits_of_the_model(bundle: Path, digit: np.ndarray[Any, Any], tmp_path: Path) -> None:
    expect(bundle, save(Image.fromarray(digit[0]), tmp_path / "digit.png"), digit)


def test_labels_and_probabilities_are_those_of_the_logits(bundle: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "batch.npy", pixels())
    done = run_program(bundle, "predict.py", "--json", "--top", "3", tmp_path / "batch.npy")
    logits = direct_logits(bundle / "student.onnx", pixels()).astype(np.float64)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = json.loads((bundle / "labels.json").read_bytes())
    for index, result in enumerate(json.loads(done.stdout)["results"]):
        best = np.argsort(-logits[index])[:3]
        assert [entry["class"] for entry in result["top"]] == best.tolist()
        assert [entry["label"] for entry in result["top"]] == [names[place] for place in best]
        found = [entry["probability"] for entry in result["top"]]
        np.testing.assert_allclose(found, chances[index][best], rtol=1e-3, atol=0)  # of exp of errors below 1e-4


def test_a_line_names_the_file_the_label_and_the_probability(bundle: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "batch.npy", pixels(2))
    done = run_program(bundle, "predict.py", tmp_path / "batch.npy")
    entries = predicted(bundle, tmp_path / "batch.npy")
    lines = [
        f"{tmp_path / 'batch.npy'}[{entry['index']}]: {entry['top'][0]['label']} {entry['top'][0]['probability']:.4f}"
        for entry in entries
    ]
    assert done.stdout.splitlines() == lines


def test_one_array_and_a_batch_and_an_empty_batch_are_read(bundle: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", pixels(1)[0])
    np.save(tmp_path / "none.npy", pixels(0))
    np.savez(tmp_path / "named.npz", image=pixels(3))
    files = [tmp_path / name for name in ("one.npy", "none.npy", "named.npz")]
    assert [entry["index"] for entry in predicted(bundle, *files)] == [0, 0, 1, 2]


def test_a_fixed_batch_is_filled_up(tmp_path: Path) -> None:
    build(tmp_path, model=write_model(tmp_path / "fixed.onnx", batch=4))
    np.save(tmp_path / "five.npy", pixels(5))
    found = [entry["logits"] for entry in predicted(tmp_path / "out" / "bundle", tmp_path / "five.npy")]
    np.testing.assert_allclose(found, direct_logits(tmp_path / "student.onnx", pixels(5)), rtol=0, atol=TOLERANCE)


def test_exif_orientation_is_applied(bundle: Path, digit: np.ndarray[Any, Any], tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees, clockwise, to see it upright
    turned = Image.fromarray(np.rot90(digit[0]).copy())
    expect(bundle, save(turned, tmp_path / "turned.png", exif=exif), digit)


def test_transparency_is_dropped(bundle: Path, digit: np.ndarray[Any, Any], tmp_path: Path) -> None:
    grey = Image.fromarray(digit[0])
    grey.putalpha(Image.fromarray(255 - digit[0]))
    expect(bundle, save(grey, tmp_path / "alpha.png"), digit)


def test_sixteen_bits_are_scaled_to_eight(bundle: Path, digit: np.ndarray[Any, Any], tmp_path: Path) -> None:
    wide = Image.fromarray(digit[0].astype(np.uint16) * 257)
    expect(bundle, save(wide, tmp_path / "wide.png"), digit)
    expect(bundle, save(wide, tmp_path / "wide.tiff"), digit)


def test_cmyk_and_colour_become_grey_as_pillow_does(bundle: Path, tmp_path: Path) -> None:
    color = Image.fromarray(np.random.default_rng(1).integers(0, 256, (28, 28, 3), dtype=np.uint8))
    for mode in ("RGB", "CMYK"):
        image = color.convert(mode)
        expect(bundle, save(image, tmp_path / f"{mode}.tiff"), np.asarray(image.convert("L"))[None])


def test_the_first_frame_of_an_animation_is_taken(bundle: Path, digit: np.ndarray[Any, Any], tmp_path: Path) -> None:
    frames = [Image.fromarray(digit[0]), Image.fromarray(255 - digit[0])]
    expect(bundle, save(frames[0], tmp_path / "moving.gif", save_all=True, append_images=frames[1:]), digit)


@pytest.mark.parametrize("side", [1, 14, 100])
def test_another_size_is_resized_bilinearly(bundle: Path, tmp_path: Path, side: int) -> None:
    image = Image.fromarray(np.random.default_rng(2).integers(0, 256, (side, side), dtype=np.uint8))
    resized = np.asarray(image.resize((28, 28), Image.Resampling.BILINEAR))[None]
    expect(bundle, save(image, tmp_path / "other.png"), resized)


def png_bytes(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


FORMATS = "must be an image (PNG, JPEG, BMP, GIF, WEBP, TIFF)"
BAD_IMAGES = {
    "empty": (b"", f"{FORMATS} (UnidentifiedImageError)."),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", f"{FORMATS} (UnidentifiedImageError)."),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", f"{FORMATS} (UnidentifiedImageError)."),
    "truncated": (png_bytes(Image.effect_noise((28, 28), 50))[:-200], f"{FORMATS} (OSError)."),
    "vast": (png_bytes(Image.new("1", (50_000, 1_300))), "must have at most 64000000 pixels (50000 x 1300)."),
}


@pytest.mark.parametrize(("data", "message"), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_a_bad_image_is_refused(bundle: Path, tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "bad.png").write_bytes(data)
    assert refused(bundle, tmp_path / "bad.png") == (3, f"{tmp_path / 'bad.png'}: {message}")


def test_a_floating_point_image_is_refused(bundle: Path, tmp_path: Path) -> None:
    file = save(Image.fromarray(np.zeros((28, 28), np.float32)), tmp_path / "float.tiff")
    assert refused(bundle, file) == (3, f"{file}: {FORMATS} (ValueError).")


BAD_ARRAYS = {
    "other shape": (
        np.zeros((28, 28), np.uint8),
        3,
        "must be uint8 of shape (samples, 1, 28, 28) (uint8 of shape (28, 28)).",
    ),
    "other type": (
        np.zeros((1, 28, 28), np.float64),
        3,
        "must be uint8 of shape (samples, 1, 28, 28) (float64 of shape (1, 1, 28, 28)).",
    ),
    "0-d": (np.zeros((), np.uint8), 3, "must be uint8 of shape (samples, 1, 28, 28) (uint8 of shape ())."),
}


@pytest.mark.parametrize(("array", "code", "message"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_an_array_that_is_no_sample_is_refused(
    bundle: Path, tmp_path: Path, array: np.ndarray[Any, Any], code: int, message: str
) -> None:
    np.save(tmp_path / "bad.npy", array)
    assert refused(bundle, tmp_path / "bad.npy") == (code, f"{tmp_path / 'bad.npy'}: {message}")


def test_an_array_of_python_objects_is_a_refusal_of_security(bundle: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "bad.npy", np.array([{}], object), allow_pickle=True)
    message = "must hold numbers (Python objects, which would run code). Save it as float32 or uint8."
    assert refused(bundle, tmp_path / "bad.npy") == (4, f"{tmp_path / 'bad.npy'}: {message}")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_samples_are_refused_with_their_place(float_bundle: Path, tmp_path: Path, value: float) -> None:
    array = np.zeros((2, 1, 28, 28), np.float32)
    array[1, 0, 2, 3] = value
    np.save(tmp_path / "bad.npy", array)
    message = f"must hold finite numbers (non-finite at index (1, 0, 2, 3): {value})."
    assert refused(float_bundle, tmp_path / "bad.npy") == (3, f"{tmp_path / 'bad.npy'}: {message}")


def test_samples_so_large_that_the_logits_overflow_are_refused(float_bundle: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "large.npy", np.full((1, 28, 28), 3e38, np.float32))
    code, message = refused(float_bundle, tmp_path / "large.npy")
    assert code == 3
    assert message.startswith(f"{tmp_path / 'large.npy'}: must give finite logits (non-finite at index (0, ")


def test_a_model_without_images_reads_no_image(float_bundle: Path, tmp_path: Path) -> None:
    file = save(Image.new("L", (28, 28)), tmp_path / "digit.png")
    assert refused(float_bundle, file) == (
        3,
        f"{file}: must be an .npy file, as this model reads no images (another file).",
    )


def test_an_npz_must_hold_the_inputs_of_the_model(bundle: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", sound=pixels(1))
    message = f"{tmp_path / 'other.npz'}: must hold the arrays image (sound)."
    assert refused(bundle, tmp_path / "other.npz") == (3, message)


def test_a_changed_model_is_refused_before_it_is_loaded(bundle: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", pixels(1))
    data = bytearray((bundle / "student.onnx").read_bytes())
    data[500] ^= 1
    (bundle / "student.onnx").write_bytes(data)
    code, message = refused(bundle, tmp_path / "one.npy")
    assert code == 4
    assert message.startswith(f"{bundle / 'student.onnx'}: must have the SHA-256 of manifest.json (")


def test_as_many_labels_as_logits_are_needed(bundle: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", pixels(1))
    replace(bundle, {"labels.json": b'["only"]'})
    assert refused(bundle, tmp_path / "one.npy") == (
        3,
        f"{bundle / 'labels.json'}: must name each logit (1 names for logits of shape (1, 10)).",
    )


def test_labels_obey_no_terminal(bundle: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", pixels(1))
    replace(bundle, {"labels.json": json.dumps(["\x1b[31m\u202e"] * 10).encode()})
    done = run_program(bundle, "predict.py", tmp_path / "one.npy")
    assert "[0]: \\x1b[31m\\u202e " in done.stdout


def test_a_pipe_is_refused_at_once(bundle: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    message = f"{tmp_path / 'pipe.png'}: must be a regular file (pipe)."
    assert refused(bundle, tmp_path / "pipe.png") == (3, message)


@pytest.mark.parametrize("top", ["0", "-1", "x"])
def test_top_must_be_a_positive_number(bundle: Path, top: str) -> None:
    code, message = refused(bundle, f"--top={top}", "x.png")
    assert code == 2
    assert message.splitlines()[-1] == (
        f"predict.py: error: argument --top: must be a whole number of at least 1 (got {top})"
    )


def test_two_inputs_come_from_one_npz(pair_bundle: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "pair.npz", sound=np.ones((1, 3), np.float32), image=np.zeros((1, 3), np.float32))
    assert predicted(pair_bundle, tmp_path / "pair.npz")[0]["logits"] == [1.0, 1.0, 1.0]


def test_two_inputs_of_different_counts_or_from_one_array_are_refused(pair_bundle: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "pair.npz", sound=np.ones((2, 3), np.float32), image=np.zeros((1, 3), np.float32))
    np.save(tmp_path / "one.npy", np.ones((1, 3), np.float32))
    assert refused(pair_bundle, tmp_path / "pair.npz") == (
        3,
        f"{tmp_path / 'pair.npz'}: must hold as many samples of each input (1, 2).",
    )
    assert refused(pair_bundle, tmp_path / "one.npy") == (
        3,
        f"{tmp_path / 'one.npy'}: must be an .npz file with the arrays image, sound (another file).",
    )


@pytest.mark.parametrize("name", ["n" * 300 + ".npy", "missing.npy", "."])
def test_a_path_that_cannot_be_looked_at_is_a_sentence(bundle: Path, name: str) -> None:
    code, message = refused(bundle, name)
    assert code == 3
    assert re.fullmatch(r"\S+: must be (readable|a regular file) \(.+\)\.", message)
