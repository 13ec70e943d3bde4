"""Where samples come from: settings with one of the keys below -> a SampleSet.

    {source: mnist-5k}      a data set that a dependency ships                     builtin.py
    {parquet: FOLDER}       images, sounds or numbers in Hugging Face's parquet convention  parquet.py
    {numpy: FILE.npz}       arrays; also FILE.npy, and a folder of them            numpy_file.py
    {images: FOLDER}        image files                                            media_folder.py
    {audio: FOLDER}         sound files                                            media_folder.py
    {hub: ORG/NAME}         a data set on the Hugging Face hub                     hub.py
    {phones: FOLDER}        speech with aligned phones as parquet                  speech/aligned.py
    {timit: FOLDER}         the user's own TIMIT                                   speech/timit.py
    {..., unlabeled: {images: FOLDER}}   a part (unlabelled, held_out, test) from a source of its own

A key may come with how it is decoded: `size` of images, `seconds` and `sample_rate` of sounds, `context` and
`targets` of speech; `x`, `y` and `layout` of arrays; of parquet `groups`, a column that says which rows are never
divided. `content_hash` reads bytes
and decodes nothing. Paths come resolved: the data root is the caller's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from kdeploy.errors import DataError
from kdeploy.outputs.terms import OutputsName
from kdeploy.samples.assemble import Division, assemble
from kdeploy.samples.builtin import Builtin
from kdeploy.samples.class_order import Ordered, names_of
from kdeploy.samples.contents import Contents
from kdeploy.samples.duplicates import Policy
from kdeploy.samples.hub import HubDataset
from kdeploy.samples.known import Known
from kdeploy.samples.media_folder import MediaFolder
from kdeploy.samples.numpy_file import NumpyFile
from kdeploy.samples.parquet import ParquetFolder
from kdeploy.samples.pictures import Pictures
from kdeploy.samples.room import Room
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.sounds import Sounds
from kdeploy.samples.speech import corpus
from kdeploy.samples.speech.aligned import AlignedPhones
from kdeploy.samples.speech.timit import Timit
from kdeploy.samples.split import Counts
from kdeploy.samples.transfer_set import Choice

ROOM = Room()
KEYS = ("source", "parquet", "numpy", "images", "audio", "hub", "phones", "timit")
DECODING = (
    "size",
    "seconds",
    "sample_rate",
    "context",
    "targets",
    "groups",
    "x",
    "y",
    "layout",
    "mode",
    "skip_bad",
    "classes",
    "outputs",
)
OWN_PARTS = ("unlabeled", "held_out", "test")


class Source(Protocol):
    """One kind of source; `where` is what its errors name."""

    @property
    def where(self) -> str: ...
    @property
    def origin(self) -> dict[str, str]: ...  # for the record: no path of this machine
    def files(self) -> Sequence[Path | str]: ...  # every one that the content hash is over
    def content_hash(self) -> str: ...
    def contents(self, room: Room) -> Contents: ...


def content_hash(settings: Mapping[str, Any], known: Known | None = None) -> str:
    """SHA-256 of the bytes that the sources read; files whose hash is known are not read for it.

    Raises: DataError when a file is absent; MissingError when the package that ships the data is.
    """
    main, others = _sources(settings)
    own = {key: value for key, value in settings.items() if key not in OWN_PARTS}
    if not others:
        return _hash_of(main, own, known)
    parts = ([part, _hash_of(source, settings[part], known)] for part, source in others.items())
    hashes = [_hash_of(main, own, known), *parts]
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()


def _hash_of(source: Source, settings: Mapping[str, Any], known: Known | None) -> str:
    if known is None:
        return source.content_hash()
    classes = source.classes if isinstance(source, Ordered) else ()  # which a file may name
    purpose = json.dumps(["content", settings, classes], sort_keys=True, default=str)
    return known.of(purpose, source.files(), source.content_hash)


def load(
    settings: Mapping[str, Any],
    *,
    split: Mapping[str, int] | None = None,
    seed: int = 0,
    transfer: Mapping[str, Sequence[str]] | None = None,
    duplicates: Policy = "report",
    room: Room = ROOM,
    known: Known | None = None,
) -> SampleSet:
    """Read, decode and divide a source, or several.

    Args:
        split: samples a part (labelled, unlabelled, held_out, test); a part left out takes its default.
        seed: decides the division.
        transfer: the classes of the transfer set, under one of the keys `only` and `without`; all when left out.
        duplicates: what is done with a training sample that is in the test part too.
        room: where the decoded samples are put.
        known: hashes of files.
    Raises: DataError, and IntegrityError for a file that would run code; ResourceError where there is no room;
        MissingError when a package that ships or decodes the data is not installed.
    """
    main, others = _sources(settings)
    counts = Counts.of(split or {}, where=main.where)
    return assemble(
        main.contents(room),
        {part: source.contents(room) for part, source in others.items()},
        Division(counts, seed, Choice.of(transfer or {}), duplicates),
        source=main.origin
        | {part: ", ".join(f"{key} {name}" for key, name in other.origin.items()) for part, other in others.items()},
        content_sha256=content_hash(settings, known),
        room=room,
    )


def source_of(settings: Mapping[str, Any]) -> Source:
    """The source that the settings name; exactly one key, apart from how to decode it."""
    classes = settings.get("classes")
    if classes is None:
        return _plain_source(settings, ())
    place = next((Path(str(settings[key])) for key in KEYS if key in settings), Path())
    names = names_of(classes, place if place.is_dir() else place.parent)
    return Ordered(_plain_source(settings, names), names)


def _plain_source(settings: Mapping[str, Any], classes: tuple[str, ...]) -> Source:  # noqa: PLR0911 - a source, a line
    size, skip_bad = settings.get("size"), bool(settings.get("skip_bad"))
    pictures = Pictures(None if size is None else tuple(size), settings.get("mode"), skip_bad)
    sounds = Sounds(settings.get("seconds"), settings.get("sample_rate"), skip_bad)
    groups: str | None = settings.get("groups")
    x, y = settings.get("x"), settings.get("y")
    outputs: OutputsName = settings.get("outputs") or "classes"
    context: int = settings.get("context") or corpus.CONTEXT
    targets: corpus.Targets = settings.get("targets") or "states"
    match {key: value for key, value in settings.items() if key not in (*DECODING, *OWN_PARTS)}:
        case {"source": name, **rest} if not rest:
            return Builtin(name)
        case {"parquet": folder, **rest} if not rest:
            return ParquetFolder(Path(folder), pictures, sounds, groups, x, y, outputs)
        case {"numpy": file, **rest} if not rest:
            return NumpyFile(Path(file), x, y, settings.get("layout"), outputs)
        case {"images": folder, **rest} if not rest:
            return MediaFolder("images", Path(folder), pictures, classes)
        case {"audio": folder, **rest} if not rest:
            return MediaFolder("audio", Path(folder), sounds, classes)
        case {"hub": name, **rest} if not rest:
            return HubDataset(name, pictures, sounds, groups, x, y)
        case {"phones": folder, **rest} if not rest:
            return AlignedPhones(Path(folder), context, targets, groups)
        case {"timit": folder, **rest} if not rest:
            return Timit(Path(folder), context, targets)
    got = ", ".join(settings) or "nothing"
    raise DataError("data", f"must have one of the keys {', '.join(KEYS)}", got=got)


def _sources(settings: Mapping[str, Any]) -> tuple[Source, dict[str, Source]]:
    """The main source, and those of the parts that have their own."""
    return source_of(settings), {part: source_of(settings[part]) for part in OWN_PARTS if part in settings}
