"""Which folder holds which split: `train`, `val` and `test`, as people call them, in letters of either case.

train/, Testing/            a word for a split
train_set/, images_test/    one with others, where all folders are called so and have folders in them
CLASS/train/                asked about: test rows would be learned from
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from kdeploy.errors import DataError
from kdeploy.samples.arrays.names import SPLITS, WORDS, Split, split_in
from kdeploy.samples.tree import folders_in


def split_folders(folder: Path, holds: Callable[[Path], bool], classes: Collection[str]) -> Mapping[Split, Path]:
    """The folder of each split; empty where the folder has none, and its folders are classes.

    Args:
        holds: has a folder what is looked for in it? A folder that has not is neither a split nor a class.
        classes: names that are classes for certain.
    Raises: DataError when a split has two folders, the folders may be splits as well as classes, or there are splits
        inside of classes.
    """
    inside = [one for one in folders_in(folder) if holds(one)]
    found: dict[Split, Path] = {}
    for one, split in zip(inside, _splits(inside, classes), strict=True):
        if split is not None and split in found:
            must, got = f"must have one folder of the {split} rows", f"{found[split].name} and {one.name}"
            raise DataError(str(folder), must, got=got, advice="Leave one of them out, or join them.")
        if split is not None:
            found[split] = one
    others = [one.name for one in inside if one not in found.values()]
    if found and (others or "train" not in found):
        got = f"{', '.join(one.name for one in found.values())}, and {', '.join(others[:5]) or 'no train'}"
        must = "must have folders of splits alone, with train, or of classes alone"
        advice = "Rename what is no split, or list all classes under data.classes."
        raise DataError(str(folder), must, got=got, advice=advice)
    if not found and not classes:
        _check_inner(folder, [one for outer in inside for one in folders_in(outer) if holds(one)])
    return {split: found[split] for split in SPLITS if split in found}


def _splits(folders: Sequence[Path], classes: Collection[str]) -> list[Split | None]:
    """The split of each folder; by one of several words where that is the way of all: a class may be test tubes."""
    by_words = [None if one.name in classes else split_in(one.name) for one in folders]
    if all(by_words) and "train" in by_words and all(map(folders_in, folders)):
        return by_words
    return [None if one.name in classes else WORDS.get(one.name.lower()) for one in folders]


def _check_inner(folder: Path, inner: Sequence[Path]) -> None:
    """Raises: DataError when the folders inside those of a folder are splits."""
    if inner and all(one.name.lower() in WORDS for one in inner):
        names = [one.relative_to(folder).as_posix() for one in inner]
        got = f"{', '.join(names[:3])}{' and more' if len(names) > 3 else ''}"
        must = "must have the folders of splits outside of those of classes"
        advice = "Give the folder that has train in it, or list all classes under data.classes to join what is in them."
        raise DataError(str(folder), must, got=got, advice=advice)
