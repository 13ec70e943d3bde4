"""Which arrays of an archive are inputs, and which are labels, by their names and shapes.

    x, images, data, any name          inputs (N, ...)
    y, label, labels, target, ...      labels (N,); or none at all
    NAME, NAME_train, train_NAME       the rows to learn from; likewise NAME_val, which is held out, and NAME_test
    part, classes                      what no model reads

Letters may be of either case. Where no name says that it is that of labels, the only array that can be labels is. An
array that is no row a sample is left out where another is; the recipe answers what stays open, with `x` and `y`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError

Array = NDArray[Any]
Split = Literal["train", "val", "test"]

_NONE = np.zeros(())
SPLITS: tuple[Split, ...] = ("train", "val", "test")
PART, CLASSES = "part", ("classes", "class_names", "label_names", "target_names")
WORDS: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
LABELS = ("y", "label", "labels", "target", "targets", "class", "category")
_INPUTS = ("x", "image", "images", "data", "input", "inputs", "feature", "features", "pixels", "img", "imgs")
_SPLIT = "|".join(WORDS)
_PATTERNS = (
    re.compile(rf"(?P<split>{_SPLIT})[_.-](?P<base>.+)", re.IGNORECASE),
    re.compile(rf"(?P<base>.+)[_.-](?P<split>{_SPLIT})", re.IGNORECASE),
    re.compile(rf"(?P<split>{_SPLIT})(?P<base>[xy])|(?P<base2>[xy])(?P<split2>{_SPLIT})", re.IGNORECASE),
)


def split_in(name: str) -> Split | None:
    """The split of which one of the words of a name speaks; None where none does, or they speak of several."""
    splits = {WORDS[word] for word in re.split(r"[^a-z]+", name.lower()) if word in WORDS}
    return splits.pop() if len(splits) == 1 else None


@dataclass(frozen=True)
class Names:
    """The arrays of each input, and of the labels, by split, of which there may be none; and what was assumed."""

    inputs: Mapping[str, Mapping[Split, str]]
    labels: Mapping[Split, str]
    assumed: tuple[str, ...] = ()

    @property
    def beside(self) -> Mapping[Split, str]:
        """What each input has as many rows as, by split: the labels, or without any the first input."""
        return self.labels or next(iter(self.inputs.values()))


def find(arrays: Mapping[str, Array], where: str, *, x: str | None = None, y: str | None = None) -> Names:
    """What each array is.

    Args:
        x, y: the input and the labels, by name, where the recipe says them.
    Raises: DataError when that has more than one answer, or none.
    """
    sets = _sets([name for name in arrays if not _is_reserved(name, arrays[name])], where)
    for key, name in (("x", x), ("y", y)):
        if name is not None and _key(name, sets) is None:
            raise DataError(f"{where}: data.{key}", "must be the name of an array in it", got=_listed(arrays))
    labels = _labels(arrays, sets, where, _key(x, sets), _key(y, sets))
    named = {} if labels is None else sets.pop(labels)
    if labels is not None and "train" not in named:
        raise DataError(where, "must have the labels of the rows to learn from", got=_listed(arrays))
    inputs, assumed = _inputs(arrays, sets, named, where, _key(x, sets))
    usual = named.get("train", "y") == "y" and all(
        name == some["train"] for name, some in inputs.items() if "train" in some
    )
    plain = x is not None or y is not None or (usual and (len(inputs) > 1 or "x" in inputs))
    taken = () if plain else (f"{_joined(inputs)} is the input, {_joined({'': named}) or 'nothing'} the labels",)
    held_out = (f"{named['val']} is held out",) if {"val", "test"} <= named.keys() else ()
    return Names(inputs, named, (*taken, *assumed, *held_out))


def beside(name: str, others: Iterable[str]) -> list[str]:
    """Those of the other names that belong to the input `name`: its other splits, labels, `part` and `classes`."""
    names = [name, *others]
    base = _parsed(name, names)[0]
    wanted = {base, PART, *CLASSES, *LABELS, *(f"{base}_{label}" for label in LABELS)}
    return [other for other in names[1:] if _parsed(other, names)[0] in wanted]


def classes(arrays: Mapping[str, Array]) -> Array | None:
    """The array with the names of the classes; None where there is none."""
    return next((array for name, array in arrays.items() if name != PART and _is_reserved(name, array)), None)


def _is_reserved(name: str, array: Array) -> bool:
    return name in (PART, "classes") or (name.lower() in CLASSES and array.dtype.kind in "US")


def _sets(names: list[str], where: str) -> dict[str, dict[Split, str]]:
    """The arrays of each base, in lower case, by split."""
    sets: dict[str, dict[Split, str]] = {}
    for name in names:
        base, split = _parsed(name, names)
        before = sets.setdefault(base, {}).setdefault(split, name)
        if before != name:
            must = "must have the rows to learn from once" if split == "train" else f"must have its {split} rows once"
            advice = "Take one of them out of the file, or name one under data.x or data.y."
            raise DataError(where, must, got=f"{before} and {name}", advice=advice)
    return sets


def _parsed(name: str, names: Iterable[str]) -> tuple[str, Split]:
    """The base of a name, and its split: a split is one only where the base is known, or another array has it too."""
    base, split = _candidate(name)
    others = {_candidate(other)[0] for other in names if other != name}
    if split is not None and (base in (*LABELS, *_INPUTS) or base in others):
        return base, split
    return name.lower(), "train"


def _candidate(name: str) -> tuple[str, Split | None]:
    for pattern in _PATTERNS:
        if match := pattern.fullmatch(name):
            groups = {key.rstrip("2"): value.lower() for key, value in match.groupdict().items() if value}
            return groups["base"], WORDS[groups["split"]]
    return name.lower(), None


def _key(name: str | None, sets: Mapping[str, Mapping[Split, str]]) -> str | None:
    """The base that a name of the recipe means: that of the array of this name, or the base itself."""
    if name is None:
        return None
    return next((key for key, named in sets.items() if name in named.values() or key == name.lower()), None)


def _labels(
    arrays: Mapping[str, Array], sets: Mapping[str, Mapping[Split, str]], where: str, x: str | None, y: str | None
) -> str | None:
    """The base of the labels; None where no array can be labels."""
    if y is not None:
        return y
    named = [key for key in sets if key in LABELS and key != x]
    found = named or [key for key, some in sets.items() if key != x and _may_be_labels(arrays, some, sets)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(name for key in found for name in sets[key].values())
        raise DataError(where, "must say which array has the labels", got=names, advice="Set data.y to its name.")
    if not sets:
        raise DataError(where, "must have an input, such as x", got=_listed(arrays))
    return None


def _may_be_labels(arrays: Mapping[str, Array], named: Mapping[Split, str], sets: Mapping[str, Any]) -> bool:
    """One whole number, boolean or name a row, and as many rows as another array has that is an input."""
    array = arrays.get(named.get("train", ""))
    if array is None or array.dtype.kind not in "iubUS" or array.ndim < 1 or array[:1].size > 1 or array.ndim > 2:
        return False
    others = (arrays[some["train"]] for some in sets.values() if "train" in some and some is not named)
    return any(other.ndim >= 2 and len(other) == len(array) for other in others)


def _inputs(
    arrays: Mapping[str, Array],
    sets: Mapping[str, dict[Split, str]],
    labels: Mapping[Split, str],
    where: str,
    x: str | None,
) -> tuple[dict[str, Mapping[Split, str]], tuple[str, ...]]:
    """The inputs by their names, and what was left out; the checks of an input that stays are the caller's."""
    if x is not None:
        return {_name(x, sets[x]): sets[x]}, ()
    rows = _rows(arrays, sets, labels)
    fitting = {key for key, named in sets.items() if "train" in named and _is_input(arrays[named["train"]], rows)}
    kept = fitting or {key for key in sets if key in _INPUTS} or set(sets)
    if not kept:
        raise DataError(where, "must have an input, such as x", got=_listed(arrays))
    out = [name for key, named in sets.items() if key not in kept for name in named.values()]
    said = (f"{', '.join(out)} left out: not a row of numbers or pixels a label",) if out else ()
    return {_name(key, named): named for key, named in sets.items() if key in kept}, said


def _rows(arrays: Mapping[str, Array], sets: Mapping[str, Mapping[Split, str]], labels: Mapping[Split, str]) -> int:
    """The number of rows to learn from: that of the labels, or without any the most that an array has."""
    if labels:
        array = arrays[labels["train"]]
        return len(array) if array.ndim else -1
    return max(
        (len(arrays[some["train"]]) for some in sets.values() if arrays.get(some.get("train", ""), _NONE).ndim >= 2),
        default=0,
    )


def _is_input(array: Array, rows: int) -> bool:
    return array.ndim >= 2 and len(array) == rows and array.dtype.kind in "biuf"


def _name(base: str, named: Mapping[Split, str]) -> str:
    """What an input is called: its base as its array writes it."""
    written = next(iter(named.values()))
    start = written.lower().find(base)
    return written[start : start + len(base)]


def _joined(inputs: Mapping[str, Mapping[Split, str]]) -> str:
    return " and ".join(", ".join(named.values()) for named in inputs.values())


def _listed(arrays: Iterable[str]) -> str:
    return ", ".join(arrays) or "no arrays"
