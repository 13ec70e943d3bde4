"""The canonical samples: arrays of a fixed shape and dtype, labels, and the four parts.

Canonical images are uint8 (N, channels, height, width); every other input is float32 (N, ...). A label is -1 for every
sample of the unlabelled part: it is hidden when the set is built, so that nothing later can leak it. On disk a set is a
folder with `samples.json`, `inputs/<name>.npy`, `labels.npy` and `parts.npz`, memory-mapped on reading; the same set
gives the same bytes. Of windows `inputs/<name>.npy` are the frames and `inputs/<name>.first.npy` where each begins.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import InitVar, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError, IntegrityError
from kdeploy.outputs.by_name import kind_of
from kdeploy.outputs.kind import Kind
from kdeploy.outputs.terms import OutputsName
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.records.samples import DuplicatesInfo, InputInfo, InputKind, SamplesRecord, TransferInfo
from kdeploy.records.seal import again
from kdeploy.samples.known import Known
from kdeploy.samples.room import pieces
from kdeploy.samples.split import PARTS, Rows
from kdeploy.samples.transfer_set import EVERYTHING, Choice
from kdeploy.samples.windows import Canonical, Windows

RECORD_FILE = "samples.json"
_INPUT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")  # it becomes a file name
_MOST_UNNAMED_CLASSES = 100_000  # a label beyond is a mistake, and naming them all would fill the memory


@dataclass(frozen=True, eq=False)
class SampleSet:
    """Inputs, labels and parts of one data set.

    Args:
        inputs: canonical array of each input, all with the samples on the first axis.
        labels: the targets, unknown on the unlabelled part, or everywhere, where no sample has one; of classes they are
            int64 (N,), -1 for unknown, of other kinds of outputs float32 (N, width), NaN.
        parts: sorted int64 indices of "labeled", "unlabeled", "held_out" and "test"; no sample is in two.
        kinds: "image" or "array" of each input.
        source, content_sha256, split_seed: where the set came from, for the record.
        chosen: sorted indices of the transfer set where it is not all of the labelled and the unlabelled part.
        choice: the classes by which `chosen` was chosen.
        duplicates: samples that are in the test part too, for the record; null when nobody looked.
        assumed: what had to be assumed about the data, for the record.
        outputs: what is learned, by name.
        where: what an error of the checks names.
        finite: is it known that there is no NaN, so that not every float has to be read?
    Raises: DataError when the arrays are not what is said above, a float is not finite, or a label is out of range.
    """

    inputs: Mapping[str, Canonical]
    labels: NDArray[Any]
    parts: Mapping[str, Rows]
    class_names: tuple[str, ...]
    kinds: Mapping[str, InputKind]
    source: Mapping[str, str] = field(default_factory=dict)
    content_sha256: str = ""
    split_seed: int = 0
    chosen: Rows | None = None
    choice: Choice = EVERYTHING
    duplicates: DuplicatesInfo | None = None
    assumed: tuple[str, ...] = ()
    outputs: OutputsName = "classes"
    where: InitVar[str] = "samples"
    finite: InitVar[bool] = False

    def __post_init__(self, where: str, finite: bool) -> None:
        _check_arrays(self, where, finite)
        _check_parts(self, where)
        _check_chosen(self, where)
        _check_labels(self, where)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def kind(self) -> Kind:
        """The kind of outputs."""
        return kind_of(self.outputs)

    def targets(self, rows: Rows, width: int) -> NDArray[Any]:
        """The labels of some rows as a loss reads them: with a column an output even where nothing is labelled."""
        if self.labels.ndim == 1 or self.any_label:
            return self.labels[rows]
        return np.full((len(rows), width), self.kind.unknown, np.float32)

    @property
    def any_label(self) -> bool:
        """Is there a label at all? Without one there is no accuracy, and only the teacher says what is right."""
        return bool(self.kind.known(self.labels).any())

    @property
    def training(self) -> Rows:
        """Sorted int64 indices, (n,), of the labelled and the unlabelled samples: all that a network may look at."""
        return np.sort(np.concatenate([self.parts["labeled"], self.parts["unlabeled"]]))

    @property
    def transfer(self) -> Rows:
        """The transfer set, sorted int64 (n,): what the teacher labels and the students learn from; chosen, or all."""
        return self.training if self.chosen is None else self.chosen

    @property
    def labeled_transfer(self) -> Rows:
        """The labelled samples of the transfer set, sorted int64 (n,): for a network without a teacher."""
        return np.intersect1d(self.transfer, self.parts["labeled"], assume_unique=True)

    @property
    def input_name(self) -> str:
        """The name of the only input.

        Raises: DataError when there are several.
        """
        if len(self.inputs) != 1:
            must = "must have one input where none is named"
            raise DataError("samples", must, got=", ".join(self.inputs), advice="Name the input to read.")
        return next(iter(self.inputs))

    @property
    def plain_preprocessing(self) -> Preprocessing:
        """The preprocessing of a built-in model, which normalises by itself: pixels / 255, or the array as it is.

        Raises: DataError when there are several inputs.
        """
        name = self.input_name
        shape = self.inputs[name].shape[1:]
        if self.kinds[name] == "image":
            return Preprocessing(input=name, kind="image", shape=shape, dtype="uint8", scale=1 / 255)
        return Preprocessing(input=name, kind=self.kinds[name], shape=shape, dtype="float32", scale=1.0)

    def batch(self, indices: Rows) -> dict[str, NDArray[Any]]:
        """Writable copies of the samples at int64 `indices` (rows,): (rows, *shape) of every input, by name."""
        return {name: np.ascontiguousarray(array[indices]) for name, array in self.inputs.items()}

    @cached_property
    def sample_hash(self) -> str:
        """SHA-256 over names, kinds, class names, canonical arrays, labels, parts, and the transfer set if chosen."""
        digest = hashlib.sha256(json.dumps([self.class_names, sorted(self.kinds.items())]).encode())
        arrays = {f"input {name}": array for name, array in _stored(self.inputs).items()}
        arrays |= {f"part {name}": part for name, part in self.parts.items()} | {"labels": self.labels}
        arrays |= {} if self.chosen is None else {"transfer": self.chosen}
        for name in sorted(arrays):
            digest.update(json.dumps([name, arrays[name].dtype.str, arrays[name].shape]).encode())
            for _, chunk in _chunks(arrays[name]):
                digest.update(np.ascontiguousarray(chunk).data)
        return digest.hexdigest()

    @property
    def record(self) -> SamplesRecord:
        return SamplesRecord(
            source=dict(self.source),
            content_sha256=self.content_sha256,
            sample_hash=self.sample_hash,
            inputs={name: _info(array, self.kinds[name]) for name, array in self.inputs.items()},
            class_names=self.class_names,
            counts={name: len(self.parts[name]) for name in PARTS},
            split_seed=self.split_seed,
            transfer=self._transfer_record,
            duplicates=self.duplicates,
            assumed=self.assumed,
            outputs=self.outputs,
        )

    @property
    def _transfer_record(self) -> TransferInfo | None:
        if self.chosen is None:
            return None
        labeled = len(self.labeled_transfer)
        counts = {"labeled": labeled, "unlabeled": len(self.chosen) - labeled}
        return TransferInfo(**self.choice.settings, counts=counts)

    def save(self, folder: Path) -> SamplesRecord:
        """Write the set into `folder` (made if absent); the record is written last."""
        (folder / "inputs").mkdir(parents=True, exist_ok=True)
        for name, array in _stored(self.inputs).items():
            np.save(_input_file(folder, name), array, allow_pickle=False)
        np.save(folder / "labels.npy", self.labels, allow_pickle=False)
        _save_rows(folder / "parts.npz", self._rows)
        (folder / RECORD_FILE).write_bytes(self.record.sealed())
        return self.record

    def remember(self, folder: Path, known: Known) -> str:
        """The hash of the set that is saved in a folder: the one that is known, else its own, which is then known."""
        files = sorted([*folder.glob("*.np[yz]"), *(folder / "inputs").glob("*.npy")])
        return known.of("samples", files, lambda: self.sample_hash, below=folder)

    @classmethod
    def open(cls, folder: Path, known: Known | None = None) -> Self:
        """Memory-map a saved set; its arrays are read for their hash, unless that is known.

        Raises: InputError when the record cannot be read; IntegrityError when it is not as it was written, or the
            arrays are not those it describes.
        """
        record = SamplesRecord.read(folder / RECORD_FILE, advice=again("samples"))
        _check_names(record.inputs, str(folder))
        try:
            opened = cls._mapped(folder, record)
        except (DataError, OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as exc:
            raise _altered(folder, str(exc).removesuffix(".")) from exc
        found = opened.remember(folder, known) if known else opened.sample_hash
        if found != record.sample_hash:
            raise _altered(folder, f"sample hash {found[:12]}, recorded {record.sample_hash[:12]}")
        return opened

    @classmethod
    def _mapped(cls, folder: Path, record: SamplesRecord) -> Self:
        # np.load given a path leaves a broken archive open
        with (folder / "parts.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
            parts = {name: stored[name] for name in PARTS}
            transfer = stored["transfer"] if record.transfer else None
        return cls(
            inputs={name: _opened(folder, name, info.window) for name, info in record.inputs.items()},
            labels=np.load(folder / "labels.npy", allow_pickle=False),
            parts=parts,
            class_names=record.class_names,
            kinds={name: info.kind for name, info in record.inputs.items()},
            source=record.source,
            content_sha256=record.content_sha256,
            split_seed=record.split_seed,
            chosen=transfer,
            choice=Choice.of(record.transfer.model_dump(include={"only", "without"}))
            if record.transfer
            else EVERYTHING,
            duplicates=record.duplicates,
            assumed=record.assumed,
            outputs=record.outputs,
            where=str(folder),
            finite=True,  # or their hash is another
        )

    @property
    def _rows(self) -> dict[str, Rows]:
        """All lists of rows by name: the parts, and the transfer set where it was chosen."""
        return {name: self.parts[name] for name in PARTS} | ({} if self.chosen is None else {"transfer": self.chosen})


def numbered_classes(labels: NDArray[np.int64], where: str) -> tuple[str, ...]:
    """Class names where the source has none: the numbers up to the largest of int64 labels (N,).

    Raises: DataError when that label is beyond reason.
    """
    largest = int(labels.max(initial=-1))
    if largest >= _MOST_UNNAMED_CLASSES:
        must = f"must have labels below {_MOST_UNNAMED_CLASSES} where the classes have no names"
        raise DataError(where, must, got=str(largest))
    return tuple(str(number) for number in range(largest + 1))


def check_finite(array: Canonical, where: str) -> None:
    """Refuse what is NaN or infinite as float32 in an array (N, ...), naming its row."""
    for start, chunk in _chunks(array):
        with np.errstate(over="ignore"):  # what overflows becomes infinite
            finite = np.isfinite(chunk.astype(np.float32, copy=False)).reshape(len(chunk), -1).all(axis=1)
        if not finite.all():
            row = start + int(np.argmin(finite))
            advice = "Remove the sample or repair it."
            raise DataError(f"{where}: row {row}", "must have finite values only", got="NaN or infinite", advice=advice)


def _input_file(folder: Path, name: str) -> Path:
    return folder / "inputs" / f"{name}.npy"


def _stored(inputs: Mapping[str, Canonical]) -> dict[str, NDArray[Any]]:
    """The arrays that hold the inputs, by the names of their files."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, array in inputs.items():
        kept = {name: array.frames, f"{name}.first": array.first} if isinstance(array, Windows) else {name: array}
        arrays |= kept
    return arrays


def _opened(folder: Path, name: str, window: int | None) -> Canonical:
    array: NDArray[Any] = np.load(_input_file(folder, name), mmap_mode="r", allow_pickle=False)
    if window is None:
        return array
    return Windows(array, np.load(_input_file(folder, f"{name}.first"), allow_pickle=False), window)


def _altered(folder: Path, got: str) -> IntegrityError:
    return IntegrityError(str(folder), "must hold the samples that were saved in it", got=got, advice=again("samples"))


def _info(array: Canonical, kind: InputKind) -> InputInfo:
    window = array.width if isinstance(array, Windows) else None
    return InputInfo(kind=kind, shape=array.shape[1:], dtype="uint8" if kind == "image" else "float32", window=window)


def _save_rows(path: Path, rows: Mapping[str, Rows]) -> None:
    """An `.npz` without the time of day, which `np.savez` would put into every member."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, some in rows.items():
            buffer = io.BytesIO()
            np.save(buffer, some, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue())


def _chunks(array: Canonical) -> Iterator[tuple[int, NDArray[Any]]]:
    for piece in pieces(len(array), array.dtype.itemsize * math.prod(array.shape[1:])):
        yield piece.start, array[piece]


def _check_arrays(samples: SampleSet, where: str, finite: bool) -> None:
    if not samples.inputs or samples.inputs.keys() != samples.kinds.keys():
        got = f"inputs {sorted(samples.inputs)}, kinds {sorted(samples.kinds)}"
        raise DataError(where, "must have at least one input, and a kind for each", got=got)
    _check_names(samples.inputs, where)
    for name, array in samples.inputs.items():
        _check_input(array, samples.kinds[name], f"{where}: input {name}", finite)
        if len(array) != len(samples.labels):
            got = f"{len(array)} samples, {len(samples.labels)} labels"
            raise DataError(f"{where}: input {name}", "must have as many samples as there are labels", got=got)


def _check_names(names: Iterable[str], where: str) -> None:
    for name in names:
        if not _INPUT_NAME.fullmatch(name):
            must = "must be letters, digits and _.-, at most 100, beginning with none of .-"
            raise DataError(f"{where}: name of an input", must, got=repr(name))


def _check_input(array: Canonical, kind: InputKind, where: str, finite: bool) -> None:
    got = f"{array.dtype} {array.shape}"
    if kind == "image" and (array.dtype != np.uint8 or array.ndim != 4 or array.shape[1] not in (1, 3)):
        raise DataError(where, "must be uint8 (N, 1 or 3, height, width) for an image", got=got)
    if kind == "array" and (array.dtype != np.float32 or array.ndim < 2):
        raise DataError(where, "must be float32 (N, ...) for an array", got=got)
    if 0 in array.shape[1:]:
        raise DataError(where, "must have samples that are not empty", got=got)
    if kind == "array" and not finite:
        check_finite(array, where)


def _check_parts(samples: SampleSet, where: str) -> None:
    if sorted(samples.parts) != sorted(PARTS):
        must = f"must have the parts {', '.join(PARTS)}"
        raise DataError(where, must, got=", ".join(samples.parts))
    for name, part in samples.parts.items():
        outside = len(part) and (part[0] < 0 or part[-1] >= len(samples))
        if part.dtype != np.int64 or part.ndim != 1 or outside or (np.diff(part) <= 0).any():
            must = f"must be sorted int64 indices below {len(samples)}, each once"
            raise DataError(f"{where}: part {name}", must, got=f"{part.dtype} {part.shape}")
    for name in ("labeled", "test") if samples.any_label else ("unlabeled", "test"):
        if len(samples.parts[name]) == 0:
            raise DataError(f"{where}: part {name}", "must have at least 1 sample", got="0")
    everything = np.concatenate([samples.parts[name] for name in PARTS])
    if len(np.unique(everything)) != len(everything):
        raise DataError(where, "must have each sample in one part only", got="a sample in two parts")


def _check_chosen(samples: SampleSet, where: str) -> None:
    chosen = samples.chosen
    if chosen is not None and not (np.isin(chosen, samples.training).all() and (np.diff(chosen) > 0).all()):
        must = "must have a transfer set of sorted indices of the labelled and the unlabelled part"
        raise DataError(where, must, got=f"{len(chosen)} indices")


def _check_hidden(samples: SampleSet, where: str, rows: Rows) -> None:
    """Refuse a label where there must be none."""
    known = samples.kind.known(samples.labels[rows])
    if known.any():
        row = rows[int(np.argmax(known))]
        raise DataError(f"{where}: row {row}", "must have no label", got=str(samples.labels[row]))


def _check_labels(samples: SampleSet, where: str) -> None:
    kind, labels = samples.kind, samples.labels
    unknown = kind.none_known(0)
    if labels.dtype != unknown.dtype or labels.ndim != unknown.ndim:
        axes = "(N,)" if unknown.ndim == 1 else "(N, width)"
        raise DataError(f"{where}: labels", f"must be {unknown.dtype} {axes}", got=f"{labels.dtype} {labels.shape}")
    for name, part in samples.parts.items():
        if name == "unlabeled" or not samples.any_label:
            _check_hidden(samples, f"{where}: part {name}", part)
        else:
            kind.check(labels[part], len(samples.class_names), f"{where}: part {name}", every=True, rows=part)
    test = labels[samples.parts["test"]]
    if samples.any_label and kind.quality(np.zeros((len(test), max(1, len(samples.class_names)))), test) is None:
        must, got = f"must have labels that differ, as {kind.metric} is not defined else", "the same for all samples"
        advice = "Take other test samples, or set outputs to another kind."
        raise DataError(f"{where}: part test", must, got=got, advice=advice)
