"""Which folder holds which split: `train`, `val` and `test`, as people call them, in letters of either case."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from kdeploy.errors import DataError
from kdeploy.samples.arrays.names import SPLITS, WORDS, Split
from kdeploy.samples.tree import folders_in


def split_folders(folder: Path, holds: Callable[[Path], bool], classes: Collection[str]) -> Mapping[Split, Path]:
    """The folder of each split; empty where the folder has none, and its folders are classes.

    Args:
        holds: has a folder what is looked for in it? A folder that has not is neither a split nor a class.
        classes: names that are classes for certain.
    Raises: DataError when a split has two folders, or the folders may be splits as well as classes.
    """
    inside = [one for one in folders_in(folder) if holds(one)]
    found: dict[Split, Path] = {}
    for one in inside:
        split = None if one.name in classes else WORDS.get(one.name.lower())
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
    return {split: found[split] for split in SPLITS if split in found}
