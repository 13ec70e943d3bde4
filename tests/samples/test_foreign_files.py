"""A file that is there is never called absent: the sentence says what it is, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy.errors import DataError, InputError
from kdeploy.samples.foreign_files import described
from kdeploy.samples.sources import load
from kdeploy.verbs.init.data import source_key

MUST = "must be an .npz, .npy or .parquet file, or a folder of such files, of images or of sounds"
LAYOUT = "See the README for how data are laid out."
FILES = {
    "t.csv": ("a table of text columns, .csv", "Tables are not read yet."),
    "T.TSV": ("a table of text columns, .TSV", "Tables are not read yet."),
    "t.xlsx": ("a spreadsheet, .xlsx", "Tables are not read yet."),
    "t.feather": ("a table of columns, .feather", "Tables are not read yet."),
    "t.jsonl": ("JSON, .jsonl", "Tables are not read yet."),
    "words.txt": ("text, .txt", "Text is not read yet."),
    "set.zip": ("an archive, .zip", "Unpack it, and give the folder."),
    "set.mat": ("arrays in another format, .mat", "Save its arrays with numpy.savez, as x and y."),
    "set.pkl": ("a pickle, which runs code when read, .pkl", "Save its arrays with numpy.savez, as x and y."),
    "one.png": ("one image, .png", "Give the folder of all of them, a folder a class."),
    "one.mp3": ("one sound, .mp3", "Give the folder of all of them, a folder a class."),
    "what": ("a file of another kind", LAYOUT),
    "what.xyz": ("a file of another kind, .xyz", LAYOUT),
}


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        source_key(path)
    return str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_called_what_it_is(tmp_path: Path, name: str):
    got, advice = FILES[name]
    (tmp_path / name).write_text("a,b\n1,2\n")
    assert refused(tmp_path / name) == f"{tmp_path / name}: {MUST} ({got}). {advice}"
    with pytest.raises(DataError) as caught:
        load({"numpy": str(tmp_path / name)})
    assert str(caught.value) == f"{tmp_path / name}: must be an .npz file ({got}). {advice}"


@pytest.mark.parametrize(
    ("names", "got", "advice"),
    [
        ((), "an empty folder", LAYOUT),
        (("train.csv", "test.csv", "README.md"), "a folder of other files, .csv, .md", "Tables are not read yet."),
        (("a.tar", "b.tar"), "a folder of other files, .tar", "Unpack it, and give the folder."),
        (("one.xyz", "two.xyz", "words"), "a folder of other files, .xyz, words", LAYOUT),
    ],
)
def test_a_folder_is_called_what_is_in_it(tmp_path: Path, names: tuple[str, ...], got: str, advice: str):
    for name in names:
        (tmp_path / name).touch()
    assert described(tmp_path) == (got, advice)


def test_what_is_not_there_is_not_there(tmp_path: Path):
    assert refused(tmp_path / "no") == f"{tmp_path / 'no'}: {MUST} (no such file or folder). {LAYOUT}"
