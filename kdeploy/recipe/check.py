"""The second pass over a recipe: are the files, the packages and the trust there that its run will need?

It runs before anything slow, opens no file and imports no package. The known runtimes come in as names, and what each
of them lacks as a function, so that reading a recipe needs no runtime.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from kdeploy.errors import IntegrityError, MissingError, RecipeError
from kdeploy.formatting.file_kinds import not_a_file
from kdeploy.recipe.data import Origin
from kdeploy.recipe.formats import ALL, ONNX, FormatRequest
from kdeploy.recipe.load import LoadedRecipe
from kdeploy.recipe.models import Recipe
from kdeploy.recipe.teacher import NAMED
from kdeploy.recipe.yaml12 import Place, dotted

# the package that a kind of source needs, and its extra
_PACKAGES = {
    "source": ("mlxtend", "demo"),
    "audio": ("soundfile", "audio"),
    "hub": ("huggingface_hub", "hub"),
    "phones": ("kaldi_native_fbank", "speech"),
    "timit": ("kaldi_native_fbank", "speech"),
}
# the package that a format needs, and its extra
_CONVERTERS = {"openvino:int8": ("nncf", "nncf")}


def check(
    loaded: LoadedRecipe,
    *,
    data_root: Path,
    trust: bool,
    runtimes: Collection[str],
    missing: Callable[[str], str | None],
    planned: bool = False,
) -> tuple[str, ...]:
    """Check what a recipe names.

    Args:
        data_root: the folder that data paths are relative to.
        trust: may the recipe's `torch:` run code?
        runtimes: the names of all known runtimes.
        missing: a runtime's name to a sentence on what to install, or to None when it can run here.
        planned: is nothing to run? Then packages that are not here are no error.
    Returns: the packages that are not here, each with what to install.
    Raises: RecipeError with every path and name that is wrong; else IntegrityError when code would run unasked; else
        MissingError with every package that is not here.
    """
    problems = [*_data_problems(loaded, data_root), *_teacher_problems(loaded, data_root)]
    problems += _runtime_problems(loaded, runtimes)
    if problems:
        lines = sorted(problems, key=lambda problem: loaded.document.line(problem[0]))
        raise RecipeError(loaded.path, [f"{loaded.where(place)}: {dotted(place)} {text}" for place, text in lines])
    _refuse_untrusted(loaded, trust)
    lacking = list(_lacking(loaded, missing))
    if lacking and not planned:
        _refuse_missing(loaded, lacking)
    return tuple(f"{name} must be installed. {advice}" for _, name, advice in lacking)


def data_path(origin: Origin, data_root: Path) -> Path | None:
    """The folder or file that samples come from; None for a built-in source and for the hub."""
    return None if origin.key in ("source", "hub") else data_root / origin.name


def teacher_file(loaded: LoadedRecipe, data_root: Path, name: str) -> Path:
    """A file of a teacher: relative to the recipe's folder, or to the data root when the recipe's folder has none."""
    beside = loaded.base / name
    return beside if not_a_file(beside) == "" else data_root / name


def _data_problems(loaded: LoadedRecipe, data_root: Path) -> Iterator[tuple[Place, str]]:
    for part, origin in loaded.recipe.data.origins().items():
        path = data_path(origin, data_root)
        if path is not None and (problem := _path_problem(origin.key, path)):
            advice = "It is relative to the data root: set --data-root or KDEPLOY_DATA."
            yield ("data", *([part] if part else []), origin.key), f"{problem}. {advice}"


def _path_problem(key: str, path: Path) -> str:
    what = not_a_file(path)
    if key == "numpy":
        files = path.is_dir() and any(path.glob("*.npy"))
        return f"must be an .npz file (got {path}: {what})" if what and not files else ""
    if key == "parquet" and path.suffix.lower() == ".parquet" and not what:
        return ""
    if what != "a folder":
        return f"must be a folder (got {path}: {what or 'a file'})"
    if key in ("parquet", "phones") and not any(path.glob("*.parquet")) and not any(path.glob("*/*.parquet")):
        return f"must be a folder with .parquet files (got none in {path})"
    return ""


def _teacher_problems(loaded: LoadedRecipe, data_root: Path) -> Iterator[tuple[Place, str]]:
    for number, teacher in enumerate(loaded.recipe.teacher):
        for key, name in (("onnx", teacher.onnx), ("weights", teacher.weights)):
            if name is None:
                continue
            beside, what = not_a_file(loaded.base / name), not_a_file(teacher_file(loaded, data_root, name))
            if what:
                got = f"got {name}: {what if beside == 'there is no such file' else beside}"
                advice = f"It is looked for in {loaded.base}, then in the data root {data_root}."
                yield ("teacher", number, key), f"must be a file ({got}). {advice}"


def _runtime_places(loaded: LoadedRecipe) -> Iterator[tuple[Place, str]]:
    recipe = loaded.recipe
    yield ("export", "target"), recipe.export.target
    for number, text in enumerate(recipe.export.formats):
        yield ("export", "formats", number), FormatRequest.parse(text).runtime
    for number, name in enumerate(recipe.bench.runtimes):
        yield ("bench", "runtimes", number), name


def _runtime_problems(loaded: LoadedRecipe, runtimes: Collection[str]) -> Iterator[tuple[Place, str]]:
    for place, name in _runtime_places(loaded):
        is_format = place[:2] == ("export", "formats")
        names = sorted({*runtimes, ONNX, ALL} if is_format else runtimes)
        if name in names:
            continue
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names)}."
        yield place, f"must be {'a format' if is_format else 'a runtime'} (got {name!r}). {hint}"


def _refuse_untrusted(loaded: LoadedRecipe, trust: bool) -> None:
    functions: list[tuple[Place, str | None]] = [
        *((("teacher", number, "torch"), teacher.torch) for number, teacher in enumerate(loaded.recipe.teacher)),
        (("student", "torch"), loaded.recipe.student.torch),
        (("distill", "loss"), loaded.recipe.distill.loss if ":" in loaded.recipe.distill.loss else None),
    ]
    for place, function in functions:
        if function is not None and not trust:
            raise IntegrityError(
                loaded.where(place),
                f"{dotted(place)} must be trusted, because it runs the code of {function.partition(':')[0]}",
                got="got no --trust",
                advice="Read that code, then pass --trust.",
            )


def _refuse_missing(loaded: LoadedRecipe, lacking: Sequence[tuple[Place, str, str]]) -> None:
    names = " and ".join(name for _, name, _ in lacking)
    advice = " ".join(advice for _, _, advice in lacking)
    raise MissingError(loaded.where(lacking[0][0]), f"{names} must be installed", got="not here", advice=advice)


def _package_places(recipe: Recipe) -> Iterator[tuple[Place, str]]:
    """The places of networks by name, each with its package's key."""
    for number, teacher in enumerate(recipe.teacher):
        if teacher.named is not None:
            yield ("teacher", number, teacher.named[0]), teacher.named[0]
    if recipe.student.family in NAMED:
        yield ("student", recipe.student.family), recipe.student.family


def _lacking(loaded: LoadedRecipe, missing: Callable[[str], str | None]) -> Iterator[tuple[Place, str, str]]:
    """A place that needs a package, what needs it, and how to get it; each once."""
    for part, origin in loaded.recipe.data.origins().items():
        package, extra = _PACKAGES.get(origin.key, ("", ""))
        if package and importlib.util.find_spec(package) is None:
            place: Place = ("data", *([part] if part else []), origin.key)
            yield place, package, f"Install it with: pip install 'kdeploy[{extra}]'."
    if loaded.recipe.distill.tracker == "tensorboard" and importlib.util.find_spec("tensorboard") is None:
        yield ("distill", "tracker"), "tensorboard", "Install it with: pip install 'kdeploy[tensorboard]'."
    for place, kind in _package_places(loaded.recipe):
        package = "transformers" if kind == "huggingface" else kind
        if importlib.util.find_spec(package) is None:
            yield place, package, f"Install it with: pip install 'kdeploy[{kind}]'."
    for number, text in enumerate(loaded.recipe.export.formats):
        package, extra = _CONVERTERS.get(text, ("", ""))
        if package and importlib.util.find_spec(package) is None:
            yield ("export", "formats", number), package, f"Install it with: pip install 'kdeploy[{extra}]'."
    examined = {ONNX, ALL}  # neither is a runtime
    for place, name in _runtime_places(loaded):
        if name not in examined and (advice := missing(name)):
            yield place, f"runtime {name!r}", advice
        examined.add(name)
