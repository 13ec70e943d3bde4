from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdeploy.errors import DataError, IntegrityError
from kdeploy.samples.input_folder import read_folder

ADVICE = "Give arrays of that shape: .npy or .npz, float32 as the model reads it, or uint8."


def picture(file: Path, value: int, size: tuple[int, int] = (8, 8), mode: str = "L") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value, 0, 0)).save(file)


def refusal(folder: Path, shape: tuple[int, ...], kind: type[Exception] = DataError) -> str:
    with pytest.raises(kind) as caught:
        read_folder(folder, shape, 10)
    return str(caught.value)


def test_images_are_resized_and_divided_by_255_and_go_by_their_path(tmp_path):
    picture(tmp_path / "b.png", 51)
    picture(tmp_path / "a" / "z.png", 255, size=(16, 20))
    picture(tmp_path / ".hidden" / "x.png", 0)
    (tmp_path / "notes.txt").write_text("no input")
    found = read_folder(tmp_path, (1, 8, 8), 10)
    assert found.names == ("a/z.png", "b.png")
    assert (found.inputs.shape, found.inputs.dtype) == ((2, 1, 8, 8), np.float32)
    assert found.inputs[0].min() == 1
    np.testing.assert_allclose(found.inputs[1], 0.2, rtol=1e-7)


def test_a_model_may_read_channels_last(tmp_path):
    picture(tmp_path / "a.png", 255, mode="RGB")
    found = read_folder(tmp_path, (8, 8, 3), 10).inputs
    assert found.shape == (1, 8, 8, 3)
    assert found[0, 0, 0].tolist() == [1, 0, 0]


def test_of_many_files_those_are_taken_that_are_spread_evenly(tmp_path):
    for number in range(9):
        picture(tmp_path / f"{number}.png", number)
    assert read_folder(tmp_path, (1, 8, 8), 3).names == ("0.png", "4.png", "8.png")


def test_arrays_hold_one_input_or_many(tmp_path):
    draws = np.random.default_rng(0).random((3, 2, 4), np.float32)
    np.save(tmp_path / "a.npy", draws[0])
    np.save(tmp_path / "b.npy", (draws[1:] * 255).astype(np.uint8))
    np.savez(tmp_path / "c.npz", x=draws.astype(np.float64), y=np.arange(3))
    np.savez(tmp_path / "d.npz", only=draws[:1])
    found = read_folder(tmp_path, (2, 4), 10)
    assert found.names == ("a.npy", "b.npy[0]", "b.npy[1]", "c.npz[0]", "c.npz[1]", "c.npz[2]", "d.npz")
    assert found.inputs.dtype == np.float32
    np.testing.assert_array_equal(found.inputs[[0, 3, 4, 5, 6]], draws[[0, 0, 1, 2, 0]])
    np.testing.assert_allclose(found.inputs[1:3], draws[1:], rtol=0, atol=1 / 255)


def test_sounds_are_read_as_they_are(tmp_path):
    soundfile = pytest.importorskip("soundfile", reason="the extra 'audio' is not installed")
    soundfile.write(tmp_path / "a.wav", np.full(16, 0.5), 8000)
    found = read_folder(tmp_path, (1, 16), 10)
    assert found.inputs.shape == (1, 1, 16)
    np.testing.assert_allclose(found.inputs, 0.5, rtol=0, atol=2**-15)  # 16 bits a sample
    expected = (
        f"{tmp_path}: must hold inputs of the shape (15,), which the model reads (sounds of 16 samples). {ADVICE}"
    )
    assert refusal(tmp_path, (15,)) == expected


@pytest.mark.parametrize(("names", "got"), [((), "none"), (("a.png", "b.npy"), "images and arrays")])
def test_a_folder_must_have_files_of_one_kind(names, got, tmp_path):
    for name in names:
        (tmp_path / name).touch()
    must = "must be a folder with files of one kind: images, sounds, .npy or .npz"
    assert refusal(tmp_path, (1, 8, 8)) == f"{tmp_path}: {must} ({got})."
    assert refusal(tmp_path / "absent", (1, 8, 8)) == f"{tmp_path / 'absent'}: {must} (none)."


@pytest.mark.parametrize(
    ("shape", "got"), [((3, 8, 8), "images of 1 channels"), ((64,), "images"), ((5, 8, 8), "images")]
)
def test_images_that_the_model_does_not_read_are_refused(shape, got, tmp_path):
    picture(tmp_path / "a.png", 0)
    expected = f"{tmp_path}: must hold inputs of the shape {shape}, which the model reads ({got}). {ADVICE}"
    assert refusal(tmp_path, shape) == expected


@pytest.mark.parametrize(
    ("array", "got"),
    [
        (np.zeros((2, 5), np.float32), "float32 (2, 5)"),
        (np.zeros((2, 4), np.int64), "int64 (2, 4)"),
        (np.zeros((0, 4), np.float32), "float32 (0, 4)"),
    ],
)
def test_arrays_that_the_model_does_not_read_are_refused(array, got, tmp_path):
    np.save(tmp_path / "a.npy", array)
    expected = f"{tmp_path / 'a.npy'}: must hold inputs of the shape (4,), which the model reads ({got}). {ADVICE}"
    assert refusal(tmp_path, (4,)) == expected


def test_an_archive_of_several_arrays_must_name_one_x(tmp_path):
    np.savez(tmp_path / "a.npz", one=np.zeros(4), two=np.zeros(4))
    assert refusal(tmp_path, (4,)) == f"{tmp_path / 'a.npz'}: must have one array, or one called x (one, two)."


def test_an_array_of_objects_is_refused_unread(tmp_path):
    np.save(tmp_path / "a.npy", np.array([print], object), allow_pickle=True)
    expected = "must not hold Python objects, which run code when read. Save it again as plain numbers or strings."
    assert refusal(tmp_path, (4,), IntegrityError) == f"{tmp_path / 'a.npy'}: {expected}"


def test_a_cut_or_foreign_array_is_refused(tmp_path):
    file = tmp_path / "a.npy"
    np.save(file, np.zeros(4, np.float32))
    file.write_bytes(file.read_bytes()[:-4])
    assert refusal(tmp_path, (4,)) == (
        f"{file}: must hold as many bytes as its header says (shape (4,) of float32 over 12 bytes)."
    )
    file.write_text("this is no array")
    assert refusal(tmp_path, (4,)).startswith(f"{file}: must be a readable .npy file (the magic string is not correct")


def test_what_is_not_finite_is_refused_with_its_row(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0, 1], [np.nan, 0]], np.float32))
    must = "must have finite values only (NaN or infinite). Remove the sample or repair it."
    assert refusal(tmp_path, (2,)) == f"{tmp_path}: row 1: {must}"
