"""What a file or a folder is that no source reads: in a few words, and what to do about it."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

from kdeploy.samples.pictures import Pictures
from kdeploy.samples.sounds import Sounds
from kdeploy.samples.tree import files_in

_LAYOUT = "See the README for how data are laid out."
_TABLES = "Tables are not read yet."
_TEXT = "Text is not read yet."
_UNPACK = "Unpack it, and give the folder."
_CONVERT = "Save its arrays with numpy.savez, as x and y."
_KINDS = {
    **dict.fromkeys((".csv", ".tsv", ".psv"), ("a table of text columns", _TABLES)),
    **dict.fromkeys((".xls", ".xlsx", ".ods"), ("a spreadsheet", _TABLES)),
    **dict.fromkeys((".arrow", ".feather", ".orc"), ("a table of columns", _TABLES)),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3"), ("a data base", _TABLES)),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), ("JSON", _TABLES)),
    **dict.fromkeys((".txt", ".md", ".text"), ("text", _TEXT)),
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"), ("an archive", _UNPACK)),
    **dict.fromkeys((".h5", ".hdf5", ".mat"), ("arrays in another format", _CONVERT)),
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".pth"), ("a pickle, which runs code when read", _CONVERT)),
    **dict.fromkeys(Pictures.suffixes, ("one image", "Give the folder of all of them, a folder a class.")),
    **dict.fromkeys(Sounds.suffixes, ("one sound", "Give the folder of all of them, a folder a class.")),
}
_MOST_FILES = 10_000  # of a folder that are looked at
_NAMED = 3


def described(path: Path) -> tuple[str, str]:
    """What is at a path, and advice on it.

    >>> described(Path("/no/such/file"))
    ('no such file or folder', 'See the README for how data are laid out.')
    """
    if path.is_dir():
        return _folder(path)
    if not path.exists():
        return "no such file or folder", _LAYOUT
    what, advice = _KINDS.get(path.suffix.lower(), ("a file of another kind", _LAYOUT))
    return (f"{what}, {path.suffix}" if path.suffix else what), advice


def _folder(folder: Path) -> tuple[str, str]:
    suffixes = Counter(entry.suffix or entry.name for entry in islice(files_in(folder), _MOST_FILES))
    if not suffixes:
        return "an empty folder", _LAYOUT
    most = [suffix for suffix, _ in suffixes.most_common(_NAMED)]
    advice = {kind[1] for suffix in most if (kind := _KINDS.get(suffix)) and kind[1] in (_TABLES, _UNPACK, _CONVERT)}
    return f"a folder of other files, {', '.join(most)}", advice.pop() if len(advice) == 1 else _LAYOUT
