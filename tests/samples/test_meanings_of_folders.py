"""Folders of pictures and sounds as people keep them: read and said, or asked about in one sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from kdeploy.errors import DataError, MissingError
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.sources import content_hash, load

SPLIT = {"labeled": 8, "unlabeled": 0, "held_out": 2, "test": 4}


def pixels(name: str, *shape: int) -> np.ndarray:
    return np.random.default_rng([*name.encode()]).integers(0, 256, shape or (4, 6, 3), dtype=np.uint8)


def picture(file: Path, mode: str = "RGB", **options: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(str(file.name))).convert(mode).save(file, **options)


def filled(root: Path, *folders: str, count: int = 8) -> Path:
    for folder in folders:
        for row in range(count):
            picture(root / folder / f"{folder.replace('/', '-')}-{row}.png")
    return root


def linked(root: Path) -> Path:
    filled(root / "data", "cat")
    (root / "data" / "dog").symlink_to(filled(root / "elsewhere", "dog") / "dog")
    return root / "data"


def linked_files(root: Path) -> Path:
    for file in sorted(filled(root / "all", "cat", "dog").rglob("*.png")):
        place = root / "data" / file.relative_to(root / "all")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(file)
    return root / "data"


def beside(root: Path) -> Path:
    filled(root, "cat", "dog")
    for name in ("README.md", "cat/notes.txt", "dog/list.csv", "dog/x.json", ".DS_Store", "cat/Thumbs.db"):
        (root / name).write_text("words")
    (root / "annotations").mkdir()
    return root


def of_modes(root: Path, cat: str, dog: str = "RGB") -> Path:
    """Two classes of eight pictures, in one mode each."""
    for row in range(8):
        picture(root / "cat" / f"{row}.png", cat)
        picture(root / "dog" / f"{row}.png", dog)
    return root


def palettes(root: Path) -> Path:
    return of_modes(root, "P")


def one_bit(root: Path) -> Path:
    return of_modes(root, "1", "L")


def opaque(root: Path) -> Path:
    return of_modes(root, "RGBA")


def turned(root: Path) -> Path:
    exif = Image.Exif()
    exif[0x0112] = 3
    filled(root, "cat")
    for row in range(8):
        picture(root / "dog" / f"{row}.png", exif=exif.tobytes())
    return root


def animated(root: Path) -> Path:
    filled(root, "cat")
    for row in range(8):
        file = root / "dog" / f"{row}.gif"
        file.parent.mkdir(exist_ok=True)
        frames = [Image.fromarray(pixels(f"{row}{frame}")) for frame in "ab"]
        frames[0].save(file, save_all=True, append_images=frames[1:])
    return root


BOTH = ("cat", "dog")
TWO = ("train/cat", "train/dog")
NUMBERS = tuple(str(number) for number in range(12))

# how the folder is made, its class names, the samples of each part, and what is assumed
TAKEN: dict[str, tuple[Callable[[Path], Path], tuple[str, ...], dict[str, int], list[str]]] = {
    "classes": (lambda root: filled(root, *BOTH), BOTH, SPLIT, []),
    "training": (
        lambda root: filled(root, "training/cat", "training/dog", "testing/cat"),
        BOTH,
        {"labeled": 8, "unlabeled": 0, "held_out": 2, "test": 8},
        [],
    ),
    "upper case": (
        lambda root: filled(root, "Train/cat", "Train/dog", "TEST/dog"),
        BOTH,
        {"labeled": 8, "unlabeled": 0, "held_out": 2, "test": 8},
        [],
    ),
    "val": (
        lambda root: filled(root, *TWO, "val/cat"),
        BOTH,
        {"labeled": 8, "unlabeled": 0, "held_out": 2, "test": 8},
        ["val is the test part"],
    ),
    "Valid and test": (
        lambda root: filled(root, *TWO, "Valid/cat", "test/dog"),
        BOTH,
        {"labeled": 8, "unlabeled": 0, "held_out": 8, "test": 8},
        ["Valid is held out"],
    ),
    "dev": (
        lambda root: filled(root, "training/cat", "training/dog", "dev/cat", "testing/dog"),
        BOTH,
        {"labeled": 8, "unlabeled": 0, "held_out": 8, "test": 8},
        ["dev is held out"],
    ),
    "one of several words": (
        lambda root: filled(root, "train-set/cat", "train-set/dog", "my_test_2/cat"),
        BOTH,
        {"labeled": 8, "unlabeled": 0, "held_out": 2, "test": 8},
        ["train-set is the train part", "my_test_2 is the test part"],
    ),
    "classes of several words": (
        lambda root: filled(root, "test tube", "train station"),
        ("test tube", "train station"),
        SPLIT,
        [],
    ),
    "numbers": (
        lambda root: filled(root, *NUMBERS, count=4),
        NUMBERS,
        SPLIT,
        ["classes are in the order of their numbers, 0 to 11"],
    ),
    "a linked class": (linked, BOTH, SPLIT, []),
    "linked files": (linked_files, BOTH, SPLIT, []),
    "other files": (
        beside,
        BOTH,
        SPLIT,
        ["4 files left out, no images: README.md, cat/notes.txt, dog/list.csv and 1 more"],
    ),
    "palettes": (palettes, BOTH, {}, ["8 images of mode P read as RGB"]),
    "one bit": (one_bit, BOTH, {}, ["8 images of mode 1 read as L"]),
    "opaque": (opaque, BOTH, {}, ["8 images of mode RGBA read as RGB"]),
    "turned": (turned, BOTH, {}, ["8 images turned as their EXIF orientation says"]),
    "animated": (
        animated,
        BOTH,
        {},
        ["8 images of mode P read as RGB", "8 images of several frames read as the first"],
    ),
}


def read(folder: Path, counts: dict[str, int]) -> SampleSet:
    """The set with these counts; the parts of 8 that are not labelled are the source's own."""
    asked = counts or {"labeled": 10, "held_out": 2, "test": 4}
    return load({"images": str(folder)}, split={part: n for part, n in asked.items() if n != 8 or part == "labeled"})


@pytest.mark.parametrize("case", TAKEN)
def test_a_folder_with_one_meaning_is_taken(tmp_path: Path, case: str):
    made, names, counts, assumed = TAKEN[case]
    samples = read(made(tmp_path), counts)
    assert samples.class_names == names
    assert list(samples.record.assumed) == assumed
    assert samples.record.counts == (counts or samples.record.counts)
    assert len(samples) >= 14


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "jfif", "bmp", "gif", "tif", "webp", "avif"])
def test_every_format_is_read(tmp_path: Path, suffix: str):
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow was built without AVIF")
    for row in range(10):
        file = tmp_path / "cat" / f"{row}.{suffix}"
        file.parent.mkdir(exist_ok=True)
        flat = Image.new("RGB", (6, 4), (25 * row, 100, 200))
        flat.save(file, "JPEG" if suffix == "jfif" else None)
    samples = load({"images": str(tmp_path)}, split={"labeled": 4})
    found = samples.inputs["image"].mean(axis=(2, 3))
    np.testing.assert_allclose(found, [[25 * row, 100, 200] for row in range(10)], atol=12)


def test_a_linked_class_is_the_class_itself(tmp_path: Path):
    folder = linked(tmp_path)
    before = content_hash({"images": str(folder)})
    same = load({"images": str(filled(tmp_path / "plain", "cat", "dog"))})
    assert load({"images": str(folder)}).sample_hash == same.sample_hash
    picture(tmp_path / "elsewhere" / "dog" / "dog-0.png", "RGB", compress_level=0)
    assert content_hash({"images": str(folder)}) != before


def loop(root: Path) -> Path:
    filled(root, "cat", "dog")
    (root / "dog" / "again").symlink_to(root)
    return root


def bus(root: Path) -> Path:
    return filled(root, "bus", "train")


def nowhere(root: Path) -> Path:
    filled(root, "cat", "dog")
    (root / "emu").symlink_to(root / "gone")
    (root / "dog" / "x.png").symlink_to(root / "gone.png")
    return root


ASKED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a class called train": (
        bus,
        "{root}: must have folders of splits alone, with train, or of classes alone (train, and bus). "
        "Rename what is no split, or list all classes under data.classes.",
    ),
    "no train": (
        lambda root: filled(root, "val/cat", "test/cat"),
        "{root}: must have folders of splits alone, with train, or of classes alone (test, val, and no train). "
        "Rename what is no split, or list all classes under data.classes.",
    ),
    "two of a split": (
        lambda root: filled(root, *TWO, "val/cat", "valid/cat"),
        "{root}: must have one folder of the val rows (val and valid). Leave one of them out, or join them.",
    ),
    "splits inside of one folder": (
        lambda root: filled(root, "images/train/cat", "images/train/dog", "images/test/cat"),
        "{root}: must have the folders of splits outside of those of classes (images/test, images/train). "
        "Give the folder that has train in it, or list all classes under data.classes to join what is in them.",
    ),
    "links to nothing": (
        nowhere,
        "{root}: must have no links that lead nowhere (dog/x.png, emu). "
        "Remove them, or set data.skip_bad to true to leave them out.",
    ),
    "a loop": (
        loop,
        "{root}/dog/again: must not lead back to a folder that it is in ({root}). Remove the link.",
    ),
}


@pytest.mark.parametrize("case", ASKED)
def test_a_folder_with_several_meanings_is_asked_about(tmp_path: Path, case: str):
    made, message = ASKED[case]
    root = made(tmp_path)
    with pytest.raises(DataError) as caught:
        load({"images": str(root)})
    assert str(caught.value) == message.format(root=root)


def test_classes_answer_that_a_folder_called_train_is_one(tmp_path: Path):
    samples = load({"images": str(bus(tmp_path)), "classes": ["train", "bus"]}, split=SPLIT)
    assert samples.class_names == ("train", "bus")


@pytest.mark.parametrize("classes", ["names.txt", "names.json", ["dog", "emu", "cat"]])
def test_the_order_of_classes_is_that_of_the_recipe(tmp_path: Path, classes: object):
    root = filled(tmp_path / "data", "cat", "dog")
    (tmp_path / "names.txt").write_text("dog\nemu\n\ncat\n")
    (root / "names.json").write_text('["dog", "emu", "cat"]')
    settings = {"images": str(root), "classes": classes}
    samples = load(settings, split=SPLIT)
    assert samples.class_names == ("dog", "emu", "cat")
    assert sorted(set(samples.labels[samples.parts["test"]].tolist())) == [0, 2]
    before = content_hash(settings)
    (tmp_path / "names.txt").write_text("emu\ndog\ncat\n")
    assert (content_hash(settings) == before) == (classes != "names.txt")


def test_numbers_of_classes_are_places_in_the_list(tmp_path: Path):
    samples = load({"images": str(filled(tmp_path, "0", "1")), "classes": ["cat", "dog"]}, split=SPLIT)
    assert samples.class_names == ("cat", "dog")
    assert samples.assumed == ("the numbers of classes are places in data.classes: 0 is cat",)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["cat"], "{root}: data.classes: must name every class of the data (not dog). Add them, or correct them."),
        (["cat", "dog", "cat"], "data.classes: must name each class once (cat)."),
        (
            "gone.txt",
            "data.classes: must be a list of names, or a file with one a line "
            "(gone.txt: no such file in {root} or {above}).",
        ),
    ],
)
def test_classes_that_are_not_those_of_the_data_are_refused(tmp_path: Path, classes: object, message: str):
    root = filled(tmp_path, "cat", "dog")
    with pytest.raises(DataError) as caught:
        load({"images": str(root), "classes": classes})
    assert str(caught.value) == message.format(root=root, above=root.parent)


def bad(root: Path) -> Path:
    filled(root, "cat", "dog")
    for name in ("cat/cat-3.png", "dog/dog-0.png", "dog/dog-7.png"):
        (root / name).write_bytes(b"no picture")
    return root


def test_all_bad_files_are_in_one_list(tmp_path: Path):
    reason = "cannot identify image file"
    with pytest.raises(DataError) as caught:
        load({"images": str(bad(tmp_path))})
    assert str(caught.value) == (
        f"{tmp_path}: must have images that can be decoded (3 of 16 cannot: cat/cat-3.png: {reason}; "
        f"dog/dog-0.png: {reason}; dog/dog-7.png: {reason}). "
        "Remove or repair them, or set data.skip_bad to true to leave them out."
    )


def test_bad_files_are_left_out_and_counted_where_the_recipe_says_so(tmp_path: Path):
    samples = load({"images": str(bad(tmp_path)), "skip_bad": True}, split={"labeled": 8})
    assert samples.record.assumed == (
        "3 of 16 images left out, which cannot be decoded: cat/cat-3.png; dog/dog-0.png; dog/dog-7.png",
    )
    assert len(samples) == 13
    good = sorted(file for file in tmp_path.rglob("*.png") if file.stat().st_size > 20)
    expected = np.stack([np.asarray(Image.open(file)).transpose(2, 0, 1) for file in good])
    np.testing.assert_array_equal(samples.inputs["image"], expected)
    known = samples.labels >= 0
    assert (samples.labels[known] == np.array([file.parent.name == "dog" for file in good])[known]).all()


def test_links_that_lead_nowhere_are_left_out_and_counted_where_the_recipe_says_so(tmp_path: Path):
    samples = load({"images": str(nowhere(tmp_path)), "skip_bad": True}, split={"labeled": 8})
    assert samples.assumed == ("2 files left out, no images: dog/x.png, emu",)
    assert samples.class_names == ("cat", "dog")


def test_nothing_but_bad_files_is_refused(tmp_path: Path):
    for file in filled(tmp_path, "cat", count=10).rglob("*.png"):
        file.write_bytes(b"no picture")
    with pytest.raises(DataError) as caught:
        load({"images": str(tmp_path), "skip_bad": True})
    assert str(caught.value) == f"{tmp_path}: must have at least 1 sample (0)."


MODES = ("CMYK", "LA", "RGBA", "L", "RGB", "I;16", "P", "1", "YCbCr")


def of_mode(root: Path, mode: str) -> Path:
    """Ten images of a mode, of which those with transparency are transparent here and there."""
    for row in range(10):
        file = root / "one" / f"{row}.tif"
        file.parent.mkdir(parents=True, exist_ok=True)
        shade = pixels(f"{row}", 4, 6)
        if mode == "I;16":
            image = Image.fromarray(shade.astype(np.uint16) * 257)
        else:
            image = Image.fromarray(np.stack([shade] * 3, 2)).convert(mode)
        if mode in ("RGBA", "LA"):
            image.putalpha(Image.fromarray(shade // 2))
        image.save(file)
    return root


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("goal", ["RGB", "L"])
def test_every_mode_becomes_the_one_that_is_asked_for(tmp_path: Path, mode: str, goal: str):
    samples = load({"images": str(of_mode(tmp_path, mode)), "mode": goal}, split={"labeled": 4})
    assert samples.record.shape == ({"RGB": 3, "L": 1}[goal], 4, 6)
    expected = np.stack([pixels(f"{row}", 4, 6) for row in range(10)])[:, None]
    if mode in ("P", "1"):
        assert samples.inputs["image"].std() > 10
    else:
        expected = expected.repeat(samples.record.shape[0], 1)
        np.testing.assert_allclose(samples.inputs["image"].astype(int), expected, atol=2)
    how = {"I;16": ", the upper 8 of their 16 bits"}.get(
        mode, " without their transparency" if mode in ("RGBA", "LA") else ""
    )
    assert samples.record.assumed == (() if mode == goal else (f"10 images of mode {mode} read as {goal}{how}",))


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        ("CMYK", "(mode CMYK). Set data.mode to RGB or to L to convert all images."),
        ("YCbCr", "(mode YCbCr). Set data.mode to RGB or to L to convert all images."),
        ("RGBA", "(a pixel that is transparent). Set data.mode to RGB or to L, which drop its transparency."),
        ("I;16", "(mode I;16). Set data.mode to L, which keeps the upper 8 of its 16 bits."),
    ],
)
def test_a_mode_that_would_lose_something_is_asked_about(tmp_path: Path, mode: str, sentence: str):
    with pytest.raises(DataError) as caught:
        load({"images": str(of_mode(tmp_path, mode))})
    assert str(caught.value) == f"{tmp_path}/one/0.tif: must be an image of mode L or RGB {sentence}"


def test_modes_that_differ_are_asked_about_and_the_recipe_answers(tmp_path: Path):
    filled(tmp_path, "cat", "dog")
    picture(tmp_path / "dog" / "grey.png", "L")
    with pytest.raises(DataError) as caught:
        load({"images": str(tmp_path)})
    assert str(caught.value) == (
        f"{tmp_path}/dog/grey.png: must be an image like the first, RGB 6x4 (L 6x4). "
        "Set data.mode to RGB or to L to convert all."
    )
    samples = load({"images": str(tmp_path), "mode": "RGB"})
    assert samples.record.assumed == ("1 image of mode L read as RGB",)


def test_what_needs_a_package_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    filled(tmp_path, "cat", "dog")
    (tmp_path / "dog" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic and more")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingError) as caught:
        load({"images": str(tmp_path)})
    assert str(caught.value) == (
        f"{tmp_path}/dog/phone.heic: must find the package pillow-heif, which decodes .heic (not installed). "
        "Install it with: pip install pillow-heif, or set data.skip_bad to true to leave such files out."
    )
    samples = load({"images": str(tmp_path), "skip_bad": True})
    assert samples.assumed == ("1 of 17 images left out, which cannot be decoded: dog/phone.heic",)


def test_mp3_is_a_sound_like_others(tmp_path: Path):
    soundfile = pytest.importorskip("soundfile", reason="sounds are decoded by the extra 'audio'")
    tone = np.sin(np.arange(8000) / 9).astype(np.float32) / 2
    for name in ("up", "down"):
        (tmp_path / name).mkdir()
        for row in range(8):
            soundfile.write(tmp_path / name / f"{row}.{'mp3' if row % 2 else 'wav'}", tone, 8000)
    (tmp_path / "up" / "words.txt").write_text("words")
    samples = load({"audio": str(tmp_path), "seconds": 0.5}, split=SPLIT)
    assert samples.assumed == ("1 file left out, no sounds: up/words.txt",)
    assert samples.inputs["sound"].shape == (14, 4000)
    assert np.abs(samples.inputs["sound"]).max(1).min() > 0.4
