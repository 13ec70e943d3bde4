from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdeploy.errors import DataError, KdeployError, ResourceError
from kdeploy.samples import media_folder
from kdeploy.samples.room import Room
from kdeploy.samples.sources import content_hash, load


def pictures(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def write(folder: Path, images: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, pixels in enumerate(images):
        Image.fromarray(pixels).save(folder / f"{number:03d}.png")


def by_class(folder: Path, *, count: int = 10) -> dict[str, str]:
    write(folder / "dog", pictures(count, 4, 6, seed=1))
    write(folder / "cat", pictures(count, 4, 6, seed=0))
    return {"images": str(folder)}


def refused(settings: dict[str, str], kind: type[KdeployError] = DataError, **options: object) -> str:
    with pytest.raises(kind) as caught:
        load(settings, **options)
    return str(caught.value)


def test_a_folder_a_class_is_read_in_the_order_of_names(tmp_path: Path):
    samples = load(by_class(tmp_path), split={"labeled": 6, "held_out": 2, "test": 4})
    assert samples.class_names == ("cat", "dog")
    assert samples.record.counts == {"labeled": 6, "unlabeled": 8, "held_out": 2, "test": 4}
    expected = np.concatenate([pictures(10, 4, 6, seed=0), pictures(10, 4, 6, seed=1)])
    np.testing.assert_array_equal(samples.inputs["image"][:, 0], expected, strict=True)
    assert set(samples.labels[:10].tolist()) <= {-1, 0}
    assert set(samples.labels[10:].tolist()) <= {-1, 1}
    assert samples.record.source == {"images": tmp_path.name}


@pytest.mark.parametrize("name", ["test", "validation"])
def test_a_test_folder_is_the_test_part(tmp_path: Path, name: str):
    by_class(tmp_path / "train")
    write(tmp_path / name / "dog", pictures(3, 4, 6, seed=2))
    samples = load({"images": str(tmp_path)}, split={"labeled": 10, "held_out": 2})
    assert samples.record.counts == {"labeled": 10, "unlabeled": 8, "held_out": 2, "test": 3}
    assert samples.labels[samples.parts["test"]].tolist() == [1, 1, 1]
    np.testing.assert_array_equal(samples.inputs["image"][20:, 0], pictures(3, 4, 6, seed=2), strict=True)


def test_a_flat_folder_is_the_unlabelled_part_of_another_source(tmp_path: Path):
    settings = by_class(tmp_path / "known")
    write(tmp_path / "more", pictures(5, 4, 6, seed=3))
    samples = load(settings | {"unlabeled": {"images": str(tmp_path / "more")}}, split={"held_out": 2, "test": 4})
    assert samples.record.counts == {"labeled": 14, "unlabeled": 5, "held_out": 2, "test": 4}
    found = samples.inputs["image"][samples.parts["unlabeled"], 0]
    np.testing.assert_array_equal(found, pictures(5, 4, 6, seed=3), strict=True)


def test_what_is_hidden_or_of_another_suffix_is_not_looked_at(tmp_path: Path):
    settings = by_class(tmp_path)
    first = content_hash(settings), load(settings).sample_hash
    write(tmp_path / ".thumbnails", pictures(3, 2, 2))
    (tmp_path / "cat" / "README.md").write_text("words")
    (tmp_path / "cat" / ".DS_Store.png").write_text("not an image")
    assert (content_hash(settings), load(settings).sample_hash) == first


def test_the_content_hash_is_over_names_and_bytes(tmp_path: Path):
    settings = by_class(tmp_path)
    first = content_hash(settings)
    (tmp_path / "cat" / "000.png").rename(tmp_path / "cat" / "999.png")
    renamed = content_hash(settings)
    (tmp_path / "cat" / "999.png").write_bytes(b"other")
    assert len({first, renamed, content_hash(settings)}) == 3


def test_images_of_different_sizes_are_resized_when_that_is_asked_for(tmp_path: Path):
    by_class(tmp_path)
    write(tmp_path / "emu", pictures(10, 8, 3, seed=4))
    place = tmp_path / "emu" / "000.png"
    settings = {"images": str(tmp_path)}
    split = {"test": 20}
    assert refused(settings, split=split) == (
        f"{place}: must be an image like the first, L 6x4 (L 3x8). Set data.size to [height, width] to resize all."
    )
    resized = load(settings | {"size": [5, 7]}, split=split)
    assert resized.inputs["image"].shape[1:] == (1, 5, 7)
    expected = np.asarray(Image.fromarray(pictures(10, 8, 3, seed=4)[0]).resize((7, 5), Image.Resampling.BILINEAR))
    assert any((expected == image[0]).all() for image in resized.inputs["image"])


def test_a_resize_to_its_own_size_changes_nothing(tmp_path: Path):
    settings = by_class(tmp_path)
    same = load(settings | {"size": [4, 6]})
    assert same.sample_hash == load(settings).sample_hash


def test_a_folder_without_files_is_refused(tmp_path: Path):
    suffixes = ".png, .jpg, .jpeg, .webp, .bmp, .gif, .tif, .tiff, .jfif, .avif, .heic, .heif"
    must = f"must be a folder with files of {suffixes} (none)."
    assert refused({"images": str(tmp_path)}) == f"{tmp_path}: {must}"
    (tmp_path / "train").mkdir()
    assert refused({"images": str(tmp_path)}) == f"{tmp_path}: {must}"


def test_a_file_beside_class_folders_is_refused(tmp_path: Path):
    settings = by_class(tmp_path)
    write(tmp_path, pictures(1, 4, 6))
    assert refused(settings) == (
        f"{tmp_path / '000.png'}: must be in a class folder as others are, or all in none (no class folder)."
    )


def test_a_test_class_that_is_not_trained_is_refused(tmp_path: Path):
    by_class(tmp_path / "train")
    write(tmp_path / "test" / "emu", pictures(1, 4, 6))
    file = tmp_path / "test" / "emu" / "000.png"
    settings = {"images": str(tmp_path)}
    assert refused(settings) == f"{file}: must be in a folder of one of the classes cat, dog (emu)."


def test_a_corrupt_file_is_refused_by_its_name(tmp_path: Path):
    settings = by_class(tmp_path)
    (tmp_path / "dog" / "003.png").write_bytes(b"<svg/>")
    assert refused(settings) == (
        f"{tmp_path / 'dog' / '003.png'}: must be an image that can be decoded (cannot identify image file). "
        "Remove or repair it, or set data.skip_bad to true to leave it out."
    )


def test_a_file_beyond_reason_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = by_class(tmp_path)
    monkeypatch.setattr(media_folder, "_MOST_FILE_BYTES", 50)
    file = tmp_path / "cat" / "000.png"
    size_bytes = file.stat().st_size
    assert refused(settings, ResourceError) == f"{file}: must have at most 50 bytes ({size_bytes})."


def test_images_beyond_the_size_limit_are_refused(tmp_path: Path):
    assert refused(by_class(tmp_path), ResourceError, room=Room(limit=100)) == (
        f"{tmp_path}: must decode to at most 100 bytes (480). Take fewer samples with split, or smaller images."
    )
