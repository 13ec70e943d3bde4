"""Data files of every kind that a recipe may name, and mutants: arrays, columns, pictures, sounds, transcripts."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests import made
from tests.fuzz.campaign import Words
from tests.fuzz.mutations import bytes_changed
from tests.samples.speech import recordings

ROWS = 24
DTYPES = ("u1", "i1", "<f4", ">f4", "<f8", "f2", "i8", "u8", "?", "c8", "S3", "U3", "M8[s]", "O", "V4")
ENCODED = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SPLIT = "split: {labeled: 6, unlabeled: 4, held_out: 3, test: 5}"


def case(number: int, folder: Path) -> list[Words]:
    """A data set of one of eight kinds, with something changed, that `plan`, `init` or `verify --inputs` reads."""
    draw = random.Random(f"data {number}")
    kind = draw.choice(list(KINDS))
    KINDS[kind](folder / "data", draw)
    changed = [file for file in sorted((folder / "data").rglob("*")) if file.is_file()]
    if draw.random() < 0.5 and changed:
        file = draw.choice(changed)
        file.write_bytes(bytes_changed(file.read_bytes(), draw))
    if kind == "inputs":
        made.linear(folder / "m.onnx", (8, 8))
        return [["kdeploy", "verify", "models", "m.onnx", "--inputs", "data"]]
    place = "data/x.npz" if kind == "numpy" else "data"
    key = {"vectors": "parquet"}.get(kind, kind)
    if draw.random() < 0.1:
        made.linear(folder / "t.onnx", (1, 8, 8))
        return [["kdeploy", "init", "--teacher", "t.onnx", "--data", place, "--out", "r.yaml", "--no-time"]]
    more = draw.choice([["size: [8, 8]"], []]) if key in ("images", "parquet") else []
    more += draw.choice([["groups: speaker"], [], [], []]) if key in ("parquet", "phones") else []
    more += draw.choice([["seconds: 0.01"], []]) if kind == "audio" else []
    more += draw.choice([[], ["targets: phones", "context: 3"]]) if kind in ("phones", "timit") else []
    text = f"name: d\ndata: {{{', '.join([f'{key}: {place}', SPLIT, *more])}}}\nteacher: [{{model: deep-cnn}}]\n"
    (folder / "r.yaml").write_text(text)
    return [["kdeploy", "plan", "r.yaml", "--data-root", ".", "--no-time"]]


def _pixels(draw: random.Random, *shape: int) -> np.ndarray:
    return np.random.default_rng(draw.randrange(2**32)).integers(0, 256, shape, dtype=np.uint8)


# -- arrays


def _numpy(folder: Path, draw: random.Random) -> None:
    folder.mkdir()
    labels = np.arange(ROWS) % 3
    arrays: dict[str, Any] = {"x": _pixels(draw, ROWS, 8, 8), "y": labels, "classes": np.array(["a", "b", "c"])}
    if draw.random() < 0.3:
        arrays |= {"x_test": _pixels(draw, 6, 8, 8), "y_test": labels[:6]}
    if draw.random() < 0.6:
        name = draw.choice([*arrays, *arrays, "part", "y", "\u00e9", "a/b"])
        arrays[name] = _odd_array(arrays.get(name, labels), draw)
    with zipfile.ZipFile(folder / "x.npz", "w", draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for name, array in arrays.items():
            content = _npy(array)
            archive.writestr(f"{name}.npy", _header_changed(content, draw) if draw.random() < 0.2 else content)


def _odd_array(array: np.ndarray, draw: random.Random) -> np.ndarray:
    changes: tuple[Callable[[], np.ndarray], ...] = (
        *(lambda: array[:0], lambda: array[1:], lambda: array.T, lambda: np.array(3), lambda: array[..., None]),
        *(lambda: array.astype(draw.choice(DTYPES)), lambda: array.astype(draw.choice(DTYPES))),
        *(lambda: np.full(array.shape, np.nan), lambda: np.full(array.shape, 1e300), lambda: np.asfortranarray(array)),
        *(lambda: np.full(array.shape, -1), lambda: np.full(array.shape, 2**40), lambda: np.zeros((len(array), 0))),
        *(lambda: np.zeros((len(array), 1, 1, 1, 2)), lambda: np.repeat(array, 2, axis=0)),
        *(
            lambda: np.zeros(len(array), [("a", "u1"), ("b", "f4")]),
            lambda: np.array([["a", None]] * len(array), object),
        ),
    )
    try:
        return draw.choice(changes)()
    except (ValueError, TypeError):  # no such cast
        return np.array(draw.choice(["x", 2.5, 2**70, True]))


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def _header_changed(content: bytes, draw: random.Random) -> bytes:
    old = draw.choice([b"(24", b"'|u1'", b"'<i8'", b"False", b"'shape'", b"\x01\x00", b"{", b", }"])
    odd = [
        b"(-1",
        b"(99999999999",
        b"(True",
        b"((1",
        b"'O'",
        b"'>i8'",
        b"1",
        b"None",
        b"\x09\x00",
        b"",
        b"(" * 200,
        b"'<f4'",
    ]
    return content.replace(old, draw.choice(odd), 1)


def _inputs(folder: Path, draw: random.Random) -> None:
    folder.mkdir()
    for number in range(draw.choice([1, 2, 20])):
        array = _pixels(draw, *draw.choice([(8, 8), (20, 8, 8), (1, 8, 8)]))
        if draw.random() < 0.5:
            array = _odd_array(array, draw)
        content = _npy(array)
        (folder / f"{number}.npy").write_bytes(_header_changed(content, draw) if draw.random() < 0.2 else content)
    if draw.random() < 0.2:
        np.savez(folder / "more.npz", a=_pixels(draw, 3, 8, 8), b=_odd_array(_pixels(draw, 2, 8, 8), draw))


# -- parquet


def _parquet(folder: Path, draw: random.Random) -> None:
    images = [_picture(draw) for _ in range(ROWS)]
    column = pa.array([{"bytes": data, "path": None} for data in images], ENCODED)
    _tables(folder, {"image": column, "label": pa.array([row % 3 for row in range(ROWS)])}, "label", draw)


def _vectors(folder: Path, draw: random.Random) -> None:
    rows = np.random.default_rng(draw.randrange(2**32)).random((ROWS, 5), np.float32)
    lists = [list(row) for row in rows]
    if draw.random() < 0.3:
        odd = [[], None, [1.0], [float("nan")] * 5, [float("inf")] * 5, [None] * 5, [1e300] * 5]
        lists[draw.randrange(ROWS)] = draw.choice(odd)
    column = pa.array(lists, draw.choice([pa.list_(pa.float32()), pa.list_(pa.float64()), pa.large_list(pa.float32())]))
    _tables(folder, {"x": column, "label": pa.array([row % 3 for row in range(ROWS)])}, "label", draw)


def _phones(folder: Path, draw: random.Random) -> None:
    sounds = [{"bytes": recordings.riff(recordings.SECOND[: draw.choice([400, 4000, 16000])]), "path": None}] * 6
    states = [[draw.randrange(6) for _ in range(draw.choice([0, 1, 98]) or 98)] for _ in sounds]
    columns = {"audio": pa.array(sounds, ENCODED), "frame_state": pa.array(states, pa.list_(pa.int16()))}
    _tables(folder, columns, "phone", draw, names=["SIL", "AA"])


def _tables(folder: Path, columns: dict[str, pa.Array], named: str, draw: random.Random, names: Any = None) -> None:
    """A train and a test file, of which one may have something changed in its columns or metadata."""
    folder.mkdir()
    names = names or ["a", "b", "c"]
    described = {"label": {"names": names}} if named == "label" else {named: {"feature": {"names": names}}}
    metadata: Any = {"info": {"features": described}}
    for split in ("train", "test"):
        table = pa.table(
            {**columns, "speaker": pa.array([str(row % 4) for row in range(len(next(iter(columns.values()))))])}
        )
        stored = json.dumps(metadata)
        if draw.random() < 0.4:
            table = _odd_table(table, draw)
        if draw.random() < 0.15:
            stored = draw.choice(ODD_METADATA)
        table = table.replace_schema_metadata({"huggingface": stored})
        pq.write_table(table, folder / f"{split}-0.parquet", row_group_size=draw.choice([3, 100]))


ODD_METADATA = (
    *("", "[]", "7", "null", "[" * 50_000, '{"info": {"features": []}}', '{"info": {"features": {"label": 3}}}', "{"),
    *('{"info": {"features": {"label": {"names": {"a": 1}}, "phone": {"feature": {"names": "ab"}}}}}', "\u20ac", "NaN"),
    *('{"info": {"features": {"label": {"names": [[], {}]}}}}', '{"info": {"features": {"label": {"names": []}}}}'),
    *('{"info": {"features": {"phone": {"feature": {"names": []}}}}}', '{"info": 1e400}'),
)


def _odd_table(table: pa.Table, draw: random.Random) -> pa.Table:
    name = draw.choice(table.column_names)
    at, count = table.column_names.index(name), len(table)
    odd: tuple[Callable[[], pa.Array], ...] = (
        *(lambda: pa.nulls(count), lambda: pa.array([None] * count, table[name].type), lambda: pa.array(["a"] * count)),
        *(lambda: pa.array([1.5] * count), lambda: pa.array([2**40] * count), lambda: pa.array([-2] * count)),
        *(
            lambda: pa.array([[1, None]] * count),
            lambda: pa.array([[1.0] * 5] * count),
            lambda: pa.array([b"x"] * count),
        ),
        *(lambda: pa.array([["a"]] * count), lambda: pa.array([[[1.0]]] * count), lambda: pa.array([True] * count)),
        *(
            lambda: pa.array([{"bytes": b"x"}] * count),
            lambda: pa.array([{"bytes": None, "path": "/etc/passwd"}] * count),
        ),
        *(lambda: pa.array([{"bytes": "x"}] * count), lambda: pa.array([{"path": "x"}] * count)),
        *(lambda: table[name].combine_chunks().dictionary_encode(), lambda: pa.array([2**63] * count, pa.uint64())),
        *(lambda: pa.array([0] * count, pa.timestamp("s")), lambda: pa.array([1] * count, pa.decimal128(5))),
    )
    match draw.randrange(6):
        case 0:
            return table.append_column(name, table[name])
        case 1:
            return table.drop_columns([name])
        case 2:
            return table.slice(0, draw.choice([0, 1, 2]))
        case 3:
            return table.rename_columns(
                [one if one != name else draw.choice(["image", "audio", "", "x"]) for one in table.column_names]
            )
        case _:
            try:
                return table.set_column(at, name, draw.choice(odd)())
            except (pa.ArrowException, ValueError):  # no such type
                return table.drop_columns([name])


# -- files in folders


def _picture(draw: random.Random) -> bytes:
    buffer, odd = io.BytesIO(), draw.random() < 0.02
    shape = draw.choice([(1, 1), (8, 9), (300, 2), (8, 8, 3)]) if odd else (8, 8)
    kind = draw.choice(["GIF", "BMP", "JPEG", "TIFF", "WEBP", "PPM"]) if odd else "PNG"
    picture = Image.fromarray(_pixels(draw, *shape))
    if odd and kind == "TIFF":
        picture = picture.convert(draw.choice(["1", "F", "I", "CMYK"]))
    picture.save(buffer, kind)
    content = buffer.getvalue()
    return bytes_changed(content, draw) if draw.random() < 0.02 else content


def _classes(folder: Path, draw: random.Random, suffixes: list[str], content: Callable[[], bytes]) -> None:
    """A folder a class, sometimes with train and test, and with files that are none."""
    roots = [folder / "train", folder / "test"] if draw.random() < 0.3 else [folder]
    for root in roots:
        for name in ("a", "b"):
            (root / name).mkdir(parents=True)
            for number in range(12):
                (root / name / f"{number}{draw.choice(suffixes)}").write_bytes(content())
    odd = draw.choice([None, None, "a/x.txt", "c/0" + suffixes[0], ".hidden" + suffixes[0], "loose" + suffixes[0]])
    if odd:
        (folder / odd).parent.mkdir(parents=True, exist_ok=True)
        (folder / odd).write_bytes(draw.choice([b"", b"x", content()]))
    if draw.random() < 0.1:
        (folder / "link.png").symlink_to(draw.choice(["/etc/passwd", "nowhere", "."]))


def _images(folder: Path, draw: random.Random) -> None:
    _classes(folder, draw, [".png"] * 9 + [".jpg"], lambda: _picture(draw))


def _audio(folder: Path, draw: random.Random) -> None:
    length, rate = draw.choice([100, 100, 1]), draw.choice([100, 8000])

    def sound() -> bytes:
        content = recordings.riff(np.arange(length) * 9, rate=rate)
        return bytes_changed(content, draw) if draw.random() < 0.03 else content

    _classes(folder, draw, [".wav"], sound)


def _timit(folder: Path, draw: random.Random) -> None:
    recordings.timit(folder, speakers=3)
    if draw.random() < 0.6:
        file = draw.choice(sorted(folder.rglob("*.PHN")))
        lines = [
            "0 1 h#",
            "-5 8000 aa",
            "8000 0 s",
            "0 99999999999999999999 q",
            "x y z",
            "",
            "0 8000",
            "0 8000 nope",
            "0 1e3 q",
        ]
        file.write_text("\n".join(draw.choices(lines, k=draw.randint(0, 4))))


KINDS: dict[str, Callable[[Path, random.Random], None]] = {
    "numpy": _numpy,
    "inputs": _inputs,
    "parquet": _parquet,
    "vectors": _vectors,
    "phones": _phones,
    "images": _images,
    "audio": _audio,
    "timit": _timit,
}
