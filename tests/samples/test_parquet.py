from __future__ import annotations

import hashlib
import io
import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from kdeploy.errors import DataError, KdeployError, ResourceError
from kdeploy.samples.room import Room
from kdeploy.samples.sources import content_hash, load

REAL_DATA = Path(os.environ.get("KDEPLOY_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def real(name: str) -> dict[str, str]:
    folder = REAL_DATA / name
    if not folder.is_dir():
        pytest.skip(f"no data set {name}: set KDEPLOY_DATA to the folder that holds it")
    return {"parquet": str(folder)}


def encoded(pixels: np.ndarray, *, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def pictures(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def write(
    file: Path, images: Sequence[bytes | None], labels: Sequence[int | None], names: Sequence[str] | None = None
) -> None:
    image = pa.array([{"bytes": data, "path": None} for data in images], IMAGE)
    table = pa.table({"image": image, "label": pa.array(labels, pa.int64())})
    if names is not None:
        features = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    pq.write_table(table, file, row_group_size=7)


def good(folder: Path, *, count: int = 40) -> dict[str, str]:
    grey = [encoded(pixels) for pixels in pictures(count, 4, 6)]
    write(folder / "train-00000-of-00001.parquet", grey, [row % 2 for row in range(count)], ["cat", "dog"])
    write(folder / "test-00000-of-00001.parquet", grey[:10], [row % 2 for row in range(10)], ["cat", "dog"])
    return {"parquet": str(folder)}


def refused(settings: dict[str, str], kind: type[KdeployError] = DataError, **options: object) -> str:
    with pytest.raises(kind) as caught:
        load(settings, **options)
    return str(caught.value)


def train(tmp_path: Path, images: Sequence[bytes | None], labels: Sequence[int | None] | None = None) -> dict[str, str]:
    write(tmp_path / "train-0.parquet", images, labels or [0] * len(images), ["only"])
    return {"parquet": str(tmp_path)}


def test_images_labels_and_names_are_read_in_row_order(tmp_path: Path):
    samples = load(good(tmp_path), split={"labeled": 10, "held_out": 4})
    assert samples.record.counts == {"labeled": 10, "unlabeled": 26, "held_out": 4, "test": 10}
    assert samples.class_names == ("cat", "dog")
    np.testing.assert_array_equal(samples.inputs["image"][:40, 0], pictures(40, 4, 6), strict=True)
    np.testing.assert_array_equal(samples.inputs["image"][40:, 0], pictures(40, 4, 6)[:10], strict=True)
    assert samples.labels[40:].tolist() == [0, 1] * 5
    assert samples.parts["test"].tolist() == list(range(40, 50))
    assert samples.record.source == {"parquet": tmp_path.name}


def test_only_the_rows_that_are_taken_are_decoded(tmp_path: Path):
    settings = good(tmp_path)
    split = {"labeled": 4, "unlabeled": 4, "held_out": 0, "test": 4}
    samples = load(settings, split=split)
    assert len(samples) == 12
    grey = [encoded(pixels) for pixels in pictures(40, 4, 6)]
    taken = {data for data in grey if any((decoded(data) == image[0]).all() for image in samples.inputs["image"])}
    spoiled = [data if data in taken else b"no image" for data in grey]
    write(tmp_path / "train-00000-of-00001.parquet", spoiled, [row % 2 for row in range(40)], ["cat", "dog"])
    assert load(settings, split=split).sample_hash == samples.sample_hash


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def test_colour_images_of_several_files_become_channels_first(tmp_path: Path):
    color = pictures(30, 4, 6, 3)
    for part in range(3):
        images = [encoded(pixels) for pixels in color[part * 10 : part * 10 + 10]]
        write(tmp_path / f"train-0000{part}-of-00003.parquet", images, [0, 1] * 5)
    samples = load({"parquet": str(tmp_path)})
    assert samples.class_names == ("0", "1")
    assert samples.record.counts == {"labeled": 2, "unlabeled": 22, "held_out": 0, "test": 6}
    np.testing.assert_array_equal(samples.inputs["image"], color.transpose(0, 3, 1, 2), strict=True)


def test_validation_is_the_test_part_where_there_is_no_test_split(tmp_path: Path):
    settings = good(tmp_path)
    (tmp_path / "test-00000-of-00001.parquet").rename(tmp_path / "validation-00000-of-00001.parquet")
    assert len(load(settings).parts["test"]) == 10


def test_an_image_is_turned_as_its_exif_orientation_says(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to show
    flat = pictures(20, 4, 6)
    settings = train(tmp_path, [encoded(pixels, exif=exif.tobytes()) for pixels in flat])
    np.testing.assert_array_equal(load(settings).inputs["image"][:, 0], np.rot90(flat, -1, axes=(1, 2)), strict=True)


def test_the_content_hash_is_over_the_files_that_are_read(tmp_path: Path):
    settings = good(tmp_path)
    first = content_hash(settings)
    (tmp_path / "README.md").write_text("words")
    assert content_hash(settings) == first
    file = tmp_path / "test-00000-of-00001.parquet"
    data = bytearray(file.read_bytes())
    data[50] ^= 1
    file.write_bytes(data)
    assert content_hash(settings) != first


def test_a_folder_without_train_files_is_refused(tmp_path: Path):
    absent = tmp_path / "absent"
    assert refused({"parquet": str(absent)}) == (
        f"{absent}: must hold train-*.parquet files (nothing). Give a folder of Hugging Face parquet files."
    )
    (tmp_path / "data.csv").touch()
    with pytest.raises(DataError) as caught:
        content_hash({"parquet": str(tmp_path)})
    assert str(caught.value) == (
        f"{tmp_path}: must hold train-*.parquet files (data.csv). Give a folder of Hugging Face parquet files."
    )


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path):
    file = tmp_path / "train-0.parquet"
    file.write_bytes(b"PAR1 and then nothing PAR1")
    with pytest.raises(DataError) as caught:
        load({"parquet": str(tmp_path)})
    assert str(caught.value) == f"{file}: must be a readable parquet file ({caught.value.__cause__})."


def test_a_file_with_damage_inside_is_refused(tmp_path: Path):
    settings = good(tmp_path, count=400)
    file = tmp_path / "train-00000-of-00001.parquet"
    data = bytearray(file.read_bytes())
    data[4:40] = bytes(36)  # the first page header
    file.write_bytes(data)
    assert refused(settings).startswith(f"{file}: must be a readable parquet file (")


@pytest.mark.parametrize(
    ("columns", "got"),
    [
        ({"text": ["a b"], "label": [0]}, "text string, label int64"),
        ({"age": [1.5], "fare": [2], "label": [0]}, "age double, fare int64, label int64"),
        ({"image": [{"bytes": "x"}], "label": [0]}, "image struct<bytes: string>, label int64"),
    ],
)
def test_what_is_not_read_yet_is_said(tmp_path: Path, columns: dict[str, list[object]], got: str):
    file = tmp_path / "train-0.parquet"
    pq.write_table(pa.table(columns), file)
    assert refused({"parquet": str(tmp_path)}) == (
        f"{file}: must have a column of images, sounds or lists of numbers ({got}). Text and tables are not read yet."
    )


def test_a_label_without_a_name_is_refused_with_its_row(tmp_path: Path):
    settings = train(tmp_path, [encoded(pixels) for pixels in pictures(10, 4, 6)], [0] * 7 + [1, 0, 0])
    assert refused(settings) == f"{tmp_path / 'train-0.parquet'}: row 7: must have a label from -1 to 0 (1)."


def test_a_test_row_must_have_a_label(tmp_path: Path):
    settings = good(tmp_path)
    file = tmp_path / "test-00000-of-00001.parquet"
    write(file, [encoded(pixels) for pixels in pictures(2, 4, 6)], [1, -1])
    assert refused(settings) == f"{file}: row 1: must have a label from 0 to 1 (-1)."


def test_metadata_that_is_no_json_is_refused(tmp_path: Path):
    settings = good(tmp_path)
    file = tmp_path / "train-00000-of-00001.parquet"
    pq.write_table(pq.read_table(file).replace_schema_metadata({"huggingface": "{"}), file)
    with pytest.raises(DataError) as caught:
        load(settings)
    assert str(caught.value) == f"{file}: must have JSON in its metadata key huggingface ({caught.value.__cause__})."


@pytest.mark.parametrize("names", [{"a": 1}, "cat", 7, None])
def test_names_in_the_metadata_that_are_no_list_are_refused(tmp_path: Path, names: object):
    settings = good(tmp_path)
    file = tmp_path / "train-00000-of-00001.parquet"
    stored = json.dumps({"info": {"features": {"label": {"names": names}}}})
    pq.write_table(pq.read_table(file).replace_schema_metadata({"huggingface": stored}), file)
    must = "must have a list of names for label in its metadata key huggingface"
    assert refused(settings) == f"{file}: {must} ({json.dumps(names)})."


def test_metadata_too_deep_to_be_read_is_refused(tmp_path: Path):
    settings = good(tmp_path)
    file = tmp_path / "train-00000-of-00001.parquet"
    pq.write_table(pq.read_table(file).replace_schema_metadata({"huggingface": "[" * 100_000}), file)
    assert refused(settings).startswith(f"{file}: must have JSON in its metadata key huggingface (")


@pytest.mark.parametrize("column", ["image", "label"])
def test_a_column_that_is_there_twice_is_refused(tmp_path: Path, column: str):
    settings = good(tmp_path)
    file = tmp_path / "train-00000-of-00001.parquet"
    table = pq.read_table(file)
    pq.write_table(table.append_column(column, table[column]), file)
    assert refused(settings) == f"{file}: must have one column {column} (2)."


def test_an_image_of_another_size_or_mode_is_refused_with_its_row(tmp_path: Path):
    images = [encoded(pixels) for pixels in pictures(10, 4, 6)]
    place = f"{tmp_path / 'train-0.parquet'}: row 9"
    settings = train(tmp_path, [*images[:9], encoded(pictures(1, 5, 6)[0])])
    assert refused(settings) == (
        f"{place}: must be an image like the first, L 6x4 (L 6x5). Set data.size to [height, width] to resize all."
    )
    settings = train(tmp_path, [*images[:9], encoded(pictures(1, 4, 6, 3)[0])])
    assert refused(settings) == (
        f"{place}: must be an image like the first, L 6x4 (RGB 6x4). Set data.mode to RGB or to L to convert all."
    )


@pytest.mark.parametrize("shape", [(4, 6, 4), (4, 6, 2)])
def test_an_image_with_transparency_is_refused(tmp_path: Path, shape: tuple[int, ...]):
    settings = train(tmp_path, [encoded(pixels) for pixels in pictures(10, *shape)])
    assert refused(settings) == (
        f"{tmp_path / 'train-0.parquet'}: row 0: must be an image of mode L or RGB (a pixel that is transparent). "
        "Set data.mode to RGB or to L, which drop its transparency."
    )


def test_a_row_without_bytes_is_refused(tmp_path: Path):
    images = [encoded(pixels) for pixels in pictures(9, 4, 6)]
    assert refused(train(tmp_path, [*images, None])) == (
        f"{tmp_path / 'train-0.parquet'}: row 9: must carry the bytes of its image (null). "
        "Embed them in the file, or set data.skip_bad to true to leave it out."
    )


def test_bytes_that_are_no_image_are_refused(tmp_path: Path):
    images = [encoded(pixels) for pixels in pictures(9, 4, 6)]
    assert refused(train(tmp_path, [*images, b"<svg/>"])) == (
        f"{tmp_path / 'train-0.parquet'}: row 9: must be an image that can be decoded (cannot identify image file). "
        "Remove or repair it, or set data.skip_bad to true to leave it out."
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_truncated_image_is_refused(tmp_path: Path, kind: str):
    images = [encoded(pixels, kind=kind) for pixels in pictures(10, 40, 60)]
    images[5] = images[5][: len(images[5]) * 2 // 3]
    with pytest.raises(DataError) as caught:
        load(train(tmp_path, images))
    assert str(caught.value) == (
        f"{tmp_path / 'train-0.parquet'}: row 5: must be an image that can be decoded ({caught.value.__cause__}). "
        "Remove or repair it, or set data.skip_bad to true to leave it out."
    )


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # as outside pytest
@pytest.mark.parametrize("side", [10_000, 30_000])
def test_a_decompression_bomb_is_refused(tmp_path: Path, side: int):
    header = bytearray(encoded(pictures(1, 4, 6)[0]))
    header[16:24] = side.to_bytes(4) * 2  # width and height in IHDR
    crc = zlib.crc32(header[12:29])
    header[29:33] = crc.to_bytes(4)
    good = [encoded(pixels) for pixels in pictures(9, 4, 6)]
    with pytest.raises(DataError) as caught:
        load(train(tmp_path, [bytes(header), *good]))
    assert str(caught.value) == (
        f"{tmp_path / 'train-0.parquet'}: row 0: must be an image that can be decoded ({caught.value.__cause__}). "
        "Remove or repair it, or set data.skip_bad to true to leave it out."
    )
    assert "decompression bomb" in str(caught.value)


def test_samples_beyond_the_size_limit_are_refused(tmp_path: Path):
    settings = good(tmp_path)
    assert refused(settings, ResourceError, room=Room(limit=1_000)) == (
        f"{tmp_path}: must decode to at most 1000 bytes (1200). Take fewer samples with split, or smaller images."
    )


def test_a_folder_without_rows_is_refused(tmp_path: Path):
    assert refused(train(tmp_path, [])) == f"{tmp_path}: must have at least 1 sample (0)."


def test_real_mnist_decodes_to_the_published_pixels():
    samples = load(real("mnist"), split={"labeled": 100, "unlabeled": 200})
    test = samples.inputs["image"][samples.parts["test"]]
    assert hashlib.sha256(test.tobytes()).hexdigest() == (
        "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161"  # its README
    )
    assert np.bincount(samples.labels[samples.parts["test"]])[:3].tolist() == [980, 1135, 1032]


def test_real_cifar_has_its_names_and_colours():
    samples = load(real("cifar10"), split={"labeled": 100, "unlabeled": 0, "held_out": 0, "test": 100})
    assert samples.class_names[:2] == ("airplane", "automobile")
    assert samples.inputs["image"].shape == (200, 3, 32, 32)
    assert np.bincount(samples.labels[samples.parts["test"]]).tolist() == [10] * 10


def test_real_sound_is_cut_or_filled_up_to_the_seconds_that_are_asked_for():
    pytest.importorskip("soundfile", reason="sounds are decoded by the extra 'audio'")
    samples = load(real("fsdd") | {"seconds": 0.5})
    assert samples.kinds == {"sound": "array"}
    assert samples.inputs["sound"].shape == (3000, 4000)  # 8,000 samples a second
    assert samples.class_names == tuple("0123456789")
    assert np.bincount(samples.labels[samples.parts["test"]]).tolist() == [30] * 10
    lasting = (samples.inputs["sound"] != 0).any(0)
    assert lasting[-1]
    assert np.abs(samples.inputs["sound"]).max() <= 1


def test_real_sounds_of_many_lengths_need_seconds():
    pytest.importorskip("soundfile", reason="sounds are decoded by the extra 'audio'")
    settings = real("fsdd")
    file = Path(settings["parquet"]) / "train-00000-of-00001.parquet"
    assert refused(settings) == f"{file}: row 1: must have 2863 samples like the first (8036). Set data.seconds."
