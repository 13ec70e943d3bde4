"""One sample set from one source, or from several: a part may have a source of its own.

    main source -> divide -> labelled, held out, ...  \
                                                       inputs, labels and parts in one set
    source of a part -> the rows of that part         /

A source of its own gives the part all its rows: for `test` its own test rows where it has some, for the other parts the
rest. Classes are matched by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError
from kdeploy.outputs.by_name import kind_of
from kdeploy.records.samples import InputKind
from kdeploy.samples import duplicates
from kdeploy.samples.contents import Contents
from kdeploy.samples.room import Room
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.split import PARTS, Counts, Rows, compact, hide, order_of
from kdeploy.samples.transfer_set import Choice
from kdeploy.samples.windows import Canonical, joined, taken


class Piece(NamedTuple):
    """What one source gives: decoded inputs, true labels, and which of its rows are in which part."""

    inputs: Mapping[str, Canonical]
    kinds: Mapping[str, InputKind]
    labels: NDArray[Any]
    parts: Mapping[str, Rows]
    assumed: tuple[str, ...] = ()


class Division(NamedTuple):
    """How samples are divided; `policy` is what is done with samples that are in the test part too."""

    counts: Counts
    seed: int
    choice: Choice
    policy: duplicates.Policy


def assemble(
    main: Contents,
    others: Mapping[str, Contents],
    division: Division,
    *,
    source: Mapping[str, str],
    content_sha256: str,
    room: Room,
) -> SampleSet:
    """Divide, decode, join, choose the transfer set, and hide the labels of the unlabelled part.

    Args:
        others: the source of each part that has its own.
        room: where samples that are put together are put.
    Raises: DataError when the counts ask for more than there is, or the inputs or classes of two sources differ.
    """
    counts, seed, choice, policy = division
    pieces = [_piece(main, _main_parts(main, others, counts, seed))]
    for part, contents in others.items():
        rows = _own_rows(contents, part, getattr(counts, part), seed)
        found = _piece(contents, {name: rows if name == part else rows[:0] for name in PARTS})
        labels = found.labels
        if main.outputs == "classes":
            labels = _renumbered(labels, contents, main.class_names, part)
        pieces.append(_alike(pieces[0], found._replace(labels=labels), f"data.{part}"))
    whole = pieces[0] if len(pieces) == 1 else _joined(pieces, room)
    parts, same = duplicates.treat(duplicates.find(whole.inputs, whole.parts), whole.parts, policy)
    if parts is not whole.parts:
        whole = _kept(whole, parts, room)
    return SampleSet(
        inputs=whole.inputs,
        labels=hide(whole.labels, whole.parts, kind_of(main.outputs)),
        parts=whole.parts,
        class_names=main.class_names,
        kinds=whole.kinds,
        source=source,
        content_sha256=content_sha256,
        split_seed=seed,
        chosen=choice.rows(whole.labels, whole.parts, main.class_names),
        choice=choice,
        duplicates=same,
        assumed=tuple(
            f"{part}: {line}" if part else line
            for part, piece in zip(("", *others), pieces, strict=True)
            for line in piece.assumed
        ),
        outputs=main.outputs,
        where=main.where,
    )


def _main_parts(main: Contents, others: Mapping[str, Contents], counts: Counts, seed: int) -> dict[str, Rows]:
    """The rows of each part in the main source: none of a part with a source of its own, whose share the others get."""
    asked = {part: getattr(counts, part) for part in PARTS if part not in others}
    zero = {part: 0 for part in ("test", "held_out") if part in others and main.given is None}
    parts = dict(main.divided(Counts(**asked, **zero), seed=seed))
    if "unlabeled" in others and counts.labeled is None and main.given is None:
        known = parts["unlabeled"][main.strata[parts["unlabeled"]] >= 0]
        parts["labeled"] = np.sort(np.concatenate([parts["labeled"], known]))
    return parts | {part: parts[part][:0] for part in others}


def _own_rows(contents: Contents, part: str, count: int | None, seed: int) -> Rows:
    """The sorted rows of a source of its own that the part gets; `count` of them, or all."""
    first = contents.first_test
    rows = np.arange(len(contents.labels), dtype=np.int64)
    if contents.given is not None:
        rows = contents.given(Counts())[part]
    elif first is not None:
        rows = rows[first:] if part == "test" else rows[:first]
    if count is None:
        return rows
    if count > len(rows):
        must, advice = f"must leave at least {count} samples for this part", "Ask for fewer samples."
        raise DataError(f"{contents.where}: split.{part}", must, got=str(len(rows)), advice=advice)
    return np.sort(order_of(contents.strata, rows, seed, contents.groups)[:count])


def _piece(contents: Contents, divided: Mapping[str, Rows]) -> Piece:
    rows, parts = compact(divided)
    found = contents.decode(rows)
    inputs = {name: array for name, (array, _) in found.inputs.items()}
    kinds = {name: kind for name, (_, kind) in found.inputs.items()}
    if len(found.left_out):
        rows = np.delete(rows, found.left_out)
        parts = compact({name: np.intersect1d(part, rows) for name, part in divided.items()})[1]
    return Piece(inputs, kinds, contents.labels[rows], parts, (*contents.assumed, *found.assumed))


def _renumbered(
    labels: NDArray[np.int64], contents: Contents, class_names: tuple[str, ...], part: str
) -> NDArray[np.int64]:
    """Labels, int64 (N,), as the main source numbers its classes; -1, in the unlabelled part, for one it has not."""
    numbers = [class_names.index(name) if name in class_names else -1 for name in contents.class_names]
    table = np.array([*numbers, -1], np.int64)  # the last entry is that of label -1
    renumbered: NDArray[np.int64] = table[labels]
    if part != "unlabeled" and (renumbered < 0).any():
        label = int(labels[int(np.argmax(renumbered < 0))])
        got = contents.class_names[label] if label >= 0 else "no label"
        must = "must have samples of the classes of the labelled part only"
        raise DataError(f"data.{part}", must, got=got)
    return renumbered


def _alike(first: Piece, other: Piece, where: str) -> Piece:
    """The other piece with its inputs named as the first's; a single input may have any name."""
    if len(first.inputs) == len(other.inputs) == 1:
        name = next(iter(first.inputs))
        other = other._replace(
            inputs={name: next(iter(other.inputs.values()))}, kinds={name: next(iter(other.kinds.values()))}
        )
    ours, theirs = _likeness(first), _likeness(other)
    if ours != theirs:
        raise DataError(where, f"must have inputs like the labelled part's, {ours}", got=theirs)
    return other


def _likeness(piece: Piece) -> str:
    named = sorted(piece.inputs.items())
    return ", ".join(f"{name}: {piece.kinds[name]} {array.dtype} {array.shape[1:]}" for name, array in named)


def _kept(piece: Piece, parts: Mapping[str, Rows], room: Room) -> Piece:
    """The piece without the rows that no part takes any more."""
    rows, parts = compact(parts)
    inputs = {name: taken(array, rows, room) for name, array in piece.inputs.items()}
    return Piece(inputs, piece.kinds, piece.labels[rows], parts)


def _joined(pieces: list[Piece], room: Room) -> Piece:
    """All pieces as one, in order; parts are sorted indices of the whole."""
    starts = np.cumsum([0, *(len(piece.labels) for piece in pieces)])
    parts = {
        name: np.sort(np.concatenate([piece.parts[name] + start for piece, start in zip(pieces, starts, strict=False)]))
        for name in PARTS
    }
    first = pieces[0]
    inputs = {name: joined([piece.inputs[name] for piece in pieces], room) for name in first.inputs}
    return Piece(inputs, first.kinds, np.concatenate([piece.labels for piece in pieces]), parts)
