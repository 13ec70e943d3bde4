"""`kdeploy init` writes a recipe that runs, and refuses what cannot become one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from kdeploy import api
from kdeploy.errors import DataError, InputError, IntegrityError, KdeployError, ModelError, UsageError
from kdeploy.recipe.load import load
from tests import made
from tests.program import STAGES, inside

QUICK = (
    "distill.epochs=1",
    "distill.seeds=1",
    "bench.replicates=2",
    "bench.max_seconds=1",
    "export.bottleneck=factored",
    "gate={}",
)


def fixed(path: Path, batch: int) -> Path:
    """The model with a batch that cannot change."""
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        first = value.type.tensor_type.shape.dim[0]
        first.Clear()
        first.dim_value = batch
    onnx.save(model, path)
    return path


def image_folder(folder: Path, *, sizes: tuple[int, ...] = (8,)) -> Path:
    draws = np.random.default_rng(0)
    for number, name in enumerate(("bottom", "middle", "top")):
        (folder / name).mkdir(parents=True)
        for row in range(40):
            side = sizes[row % len(sizes)]
            pixels = draws.integers(0, 80, (side, side), dtype=np.uint8) + np.uint8(50 * number)
            Image.fromarray(pixels).save(folder / name / f"{row:02d}.png")
    return folder


def brightness(path: Path, *, scale: float, shape: tuple[int, ...] = (1, 8, 8)) -> Path:
    """A teacher of `image_folder` that is right when its pixels come in units of 1 / `scale`."""
    made.linear(path, shape)
    model = onnx.load(path)
    # the mean brightness m is near 40, 90 or 140: logits -(m - centre)^2 but for what all classes share
    weights = {"first": np.zeros((int(np.prod(shape)), 16)), "second": np.zeros((16, 3))}
    weights["first"][:, 0] = scale / np.prod(shape)
    weights["second"][0] = [80.0, 180.0, 280.0]
    bias = np.array([-(40.0**2), -(90.0**2), -(140.0**2)], np.float32)
    for tensor in model.graph.initializer:
        tensor.CopyFrom(onnx.numpy_helper.from_array(weights[tensor.name].astype(np.float32), tensor.name))
    model.graph.initializer.append(onnx.numpy_helper.from_array(bias, "bias"))
    model.graph.node[-1].output[0] = "scores"
    model.graph.node.append(onnx.helper.make_node("Add", ["scores", "bias"], ["logits"]))
    onnx.save(model, path)
    return path


def refused(teacher: Path, data: Path, kind: type[KdeployError], **options: Any) -> str:
    with pytest.raises(kind) as caught:
        api.init(teacher, data, **({"out": data.parent / "r.yaml"} | options))
    return str(caught.value)


def test_a_folder_of_images_and_a_teacher_of_a_fixed_batch_become_a_recipe_that_runs(tmp_path: Path):
    data, teacher = image_folder(tmp_path / "data" / "pictures"), brightness(tmp_path / "teacher.onnx", scale=255)
    fixed(teacher, 7)
    out = tmp_path / "recipes" / "mine.yaml"
    drafted = inside(
        "init", "--teacher", teacher, "--data", data, "--name", "mine", "--out", out, "--json", "--no-time"
    )
    assert drafted.code == 0, drafted.stderr
    record = drafted.document
    assert (record["source"], record["classes"], record["preprocessing"]) == ("images", 3, "pixels / 255")
    assert record["teacher_accuracy"] == 1.0
    assert record["next"] == f"kdeploy run {out} --data-root {data.parent}"
    recipe = load(out).recipe
    assert recipe.labels.dtype == "float32"  # its logits are above 16,376
    assert (recipe.bench.batch, recipe.data.split.labeled, recipe.data.split.held_out) == ((7,), 77, 19)
    sets = [word for setting in QUICK for word in ("--set", setting)]
    found = inside("run", out, "--data-root", data.parent, "--runs", tmp_path / "runs", "--json", *sets)
    assert found.code == 0, found.stderr
    assert found.document["stages_run"] == list(STAGES)
    assert found.document["teacher"]["test_accuracy"] == 1.0


def test_the_words_of_the_command_say_what_was_assumed_and_what_comes_next(tmp_path: Path):
    made.points(tmp_path / "points.npz")
    made.linear(tmp_path / "a teacher.onnx", (2,))
    out = tmp_path / "r.yaml"
    places = ("--teacher", tmp_path / "a teacher.onnx", "--data", tmp_path / "points.npz")
    found = inside("init", *places, "--out", out, "--no-time")
    wrote, assumed = found.stdout.splitlines()
    assert wrote == f"wrote {out}: numpy, 3 classes"
    assert assumed.startswith("assumed: the teacher is given the numbers as they are, and right on ")
    assert found.stderr == f"next: kdeploy run {out} --data-root {tmp_path}\n"
    recipe = load(out).recipe
    assert (recipe.name, recipe.teacher[0].onnx) == ("a-teacher", "a teacher.onnx")
    assert (recipe.student.bottleneck, recipe.student.conv, recipe.labels.dtype) == (None, (), "float16")


def test_data_inside_the_data_root_are_named_from_there(tmp_path: Path):
    made.points(tmp_path / "points.npz")
    teacher = made.linear(tmp_path / "t.onnx", (2,))
    record = api.init(teacher, tmp_path / "points.npz", out=tmp_path / "r.yaml", data_root=tmp_path.parent)
    assert record.next == f"kdeploy run {tmp_path / 'r.yaml'}"
    assert load(tmp_path / "r.yaml").recipe.data.numpy == f"{tmp_path.name}/points.npz"


@pytest.mark.parametrize(
    ("scale", "words", "preprocess"),
    [(255, "pixels / 255", None), (1, "pixels from 0 to 255", 1.0)],
)
def test_the_preprocessing_is_that_with_which_the_teacher_is_right(tmp_path, scale, words, preprocess):
    data, teacher = image_folder(tmp_path / "data"), brightness(tmp_path / "t.onnx", scale=scale)
    record = api.init(teacher, data, out=tmp_path / "r.yaml")
    assert (record.preprocessing, record.teacher_accuracy, record.looked_at) == (words, 1.0, 120)
    asked = load(tmp_path / "r.yaml").recipe.teacher[0].preprocess
    assert (asked.scale if asked else None) == preprocess
    assert "CHANCE" not in (tmp_path / "r.yaml").read_text()


def test_a_teacher_that_guesses_is_told_in_the_recipe(tmp_path: Path):
    made.points(tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz") as stored:
        np.savez(tmp_path / "p.npz", x=stored["x"] * 0, y=stored["y"])
    api.init(made.linear(tmp_path / "t.onnx", (2,)), tmp_path / "p.npz", out=tmp_path / "r.yaml")
    assert (
        "# With that it is right on 33.3% of 240 labelled samples: "
        "LITTLE MORE THAN CHANCE, so find out what it was trained with.\n"
    ) in (tmp_path / "r.yaml").read_text()


def test_images_of_another_size_are_resized_for_the_teacher(tmp_path: Path):
    data, teacher = image_folder(tmp_path / "data", sizes=(12,)), brightness(tmp_path / "t.onnx", scale=255)
    api.init(teacher, data, out=tmp_path / "r.yaml")
    recipe = load(tmp_path / "r.yaml").recipe
    assert recipe.teacher[0].preprocess is not None
    assert (recipe.teacher[0].preprocess.size, recipe.data.size) == ((8, 8), None)


def test_images_of_many_sizes_are_resized_for_all(tmp_path: Path):
    data, teacher = image_folder(tmp_path / "data", sizes=(12, 10)), brightness(tmp_path / "t.onnx", scale=255)
    api.init(teacher, data, out=tmp_path / "r.yaml")
    recipe = load(tmp_path / "r.yaml").recipe
    assert (recipe.teacher[0].preprocess, recipe.data.size) == (None, (8, 8))


def test_the_bottleneck_is_well_below_its_break_even(tmp_path: Path):
    data = image_folder(tmp_path / "data", sizes=(28,))
    api.init(brightness(tmp_path / "t.onnx", scale=255, shape=(1, 28, 28)), data, out=tmp_path / "r.yaml")
    text, student = (tmp_path / "r.yaml").read_text(), load(tmp_path / "r.yaml").recipe.student
    # 14 x 14 x 32 = 6,272 features to 512: 6,272 * 512 / 6,784 = 473; a sixth is 79
    assert student.bottleneck == 64
    assert "# break-even of the bottleneck: 473\n" in text


def test_a_recipe_that_is_there_is_kept(tmp_path: Path):
    out = tmp_path / "r.yaml"
    out.write_text("mine")
    message = refused(tmp_path / "t.onnx", tmp_path / "p.npz", UsageError, out=out)
    assert (
        message == f"--out: must be a file that is not there yet ({out}). Give another file with --out, or remove it."
    )
    assert out.read_text() == "mine"


def test_a_recipe_that_is_there_is_replaced_where_that_is_asked_for(tmp_path: Path):
    out, teacher, data = tmp_path / "r.yaml", tmp_path / "t.onnx", tmp_path / "p.npz"
    made.points(data)
    made.linear(teacher, (2,))
    out.write_text("mine")
    found = inside("init", "--teacher", teacher, "--data", data, "--out", out, "--overwrite", "--no-time")
    assert found.code == 0, found.stderr
    assert load(out).recipe.name == "t"


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_recipe_goes_through_no_link(tmp_path: Path, overwrite: bool):
    out = tmp_path / "r.yaml"
    out.symlink_to(tmp_path / "gone")
    message = refused(tmp_path / "t.onnx", tmp_path / "p.npz", IntegrityError, out=out, overwrite=overwrite)
    assert message == (
        f"--out: must not be a link, which may lead anywhere ({out}). Name the place itself that it leads to."
    )
    assert not (tmp_path / "gone").exists()


def test_a_place_without_data_is_refused(tmp_path: Path):
    teacher = made.linear(tmp_path / "t.onnx", (2,))
    must = "must be an .npz, .npy or .parquet file, or a folder of such files, of images or of sounds"
    advice = "See the README for how data are laid out."
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.txt").touch()
    assert (
        refused(teacher, tmp_path / "no", InputError) == f"{tmp_path / 'no'}: {must} (no such file or folder). {advice}"
    )
    assert refused(teacher, tmp_path / "words", InputError) == (
        f"{tmp_path / 'words'}: {must} (a folder of other files, .txt). {advice}"
    )


def test_a_teacher_of_other_samples_or_classes_is_refused(tmp_path: Path):
    made.points(tmp_path / "p.npz")
    other = made.linear(tmp_path / "t.onnx", (5,))
    assert refused(other, tmp_path / "p.npz", ModelError) == (
        f"{other}: must take samples like the data's, (2,) ((5)). Convert the data, or export the teacher for them."
    )
    np.savez(tmp_path / "two.npz", x=np.random.default_rng(0).normal(size=(40, 5)), y=np.arange(40) % 2)
    assert refused(other, tmp_path / "two.npz", ModelError) == (
        f"{other}: must give one logit for each of the data's 2 classes (3 logits). "
        "Give data with the same classes; or a recipe that names those of the teacher in teacher.classes."
    )


@pytest.mark.parametrize(
    ("labels", "noun"), [({}, "samples"), ({"y": np.full(2, -1)}, "samples"), ({"y": np.arange(2)}, "labelled samples")]
)
def test_too_few_samples_are_refused(labels: dict[str, np.ndarray], noun: str, tmp_path: Path):
    teacher = made.linear(tmp_path / "t.onnx", (5,))
    np.savez(tmp_path / "p.npz", x=np.zeros((2, 5)), **labels)
    assert refused(teacher, tmp_path / "p.npz", DataError) == (
        f"{tmp_path / 'p.npz'}: must have at least 3 {noun} (2). Give more of them."
    )


def test_data_with_two_inputs_are_refused(tmp_path: Path):
    teacher = made.linear(tmp_path / "t.onnx", (5,))
    np.savez(tmp_path / "p.npz", x=np.zeros((9, 5)), z=np.zeros((9, 5)), y=np.arange(9) % 3)
    assert refused(teacher, tmp_path / "p.npz", DataError) == (
        f"{tmp_path / 'p.npz'}: must have one input for a recipe to be drafted (x, z). Write the recipe by hand."
    )
