"""The extras of kdeploy: which packages each brings, whether they are here, can be imported, and fit torch's build.

A build of torchvision fits the torch it was compiled beside: `2.13.0+cpu` and `0.28.0+cpu` come from one index. One of
another build is installed without a word, and cannot be imported, or has no operators.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import NamedTuple

from kdeploy.system.importing import import_errors

BUILT_WITH_TORCH = ("torchvision", "torchaudio")
TORCH_INDEX = "https://download.pytorch.org/whl"
_LEFT_OUT = {"demo", "dev"}  # the data of the demo have a line of their own; what developers need is no feature


class Extra(NamedTuple):
    """An extra: whether all of it is here and works; `text` are versions, or what to do."""

    name: str
    ok: bool
    text: str


def examine() -> list[Extra]:
    """Every extra; what is installed is imported, in a child."""
    extras = declared(metadata.requires("kdeploy") or [])
    modules = {name: module_of(name) for name in sorted({one for names in extras.values() for one in names})}
    errors = import_errors([module for module in modules.values() if module])
    return [Extra(name, *_judged(name, packages, modules, errors)) for name, packages in extras.items()]


def declared(requirements: Iterable[str]) -> dict[str, list[str]]:
    """The packages of each extra, from the lines of a package's metadata.

    >>> declared(["numpy>=2", 'timm<2,>=1.0.20; extra == "timm"', "ruff; extra == 'dev'"])
    {'timm': ['timm']}
    """
    extras: dict[str, list[str]] = {}
    for line in requirements:
        found = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", line)
        if found and found[1] not in _LEFT_OUT:
            extras.setdefault(found[1], []).append(re.split(r"[^\w.-]", line)[0])
    return extras


def module_of(package: str) -> str:
    """The module that an installed package brings, of several the one of its name; empty where it is not here."""
    try:
        files = metadata.distribution(package).files or []
    except metadata.PackageNotFoundError:
        return ""
    tops = {file.parts[0].partition(".")[0] for file in files if file.name.endswith((".py", ".so", ".pyd"))}
    alike = package.lower().replace("-", "_")
    modules = sorted(top for top in tops if top.isidentifier() and not top.startswith("_"))
    return next((one for one in modules if one.lower() == alike), modules[0] if modules else "")


def _judged(
    extra: str, packages: Iterable[str], modules: Mapping[str, str], errors: Mapping[str, str]
) -> tuple[bool, str]:
    if missing := [name for name in packages if not modules[name]]:
        return False, f"Without {' and '.join(missing)}. Install it with: pip install 'kdeploy[{extra}]'"
    for name in packages:
        if words := misfit(name, _version("torch"), _version(name), errors.get(modules[name], "")):
            return False, words
    return True, ", ".join(f"{name} {_version(name)}" for name in packages)


def misfit(name: str, torch: str, version: str, error: str) -> str:
    """Why a package that is here does not work, and what to install; empty where it does.

    Args:
        torch, version: that of torch and of the package.
        error: of its import.
    """
    builds = torch.partition("+")[2], version.partition("+")[2]
    if name in BUILT_WITH_TORCH and (error or builds[0] != builds[1]):
        why = f" ({error})" if error else ""
        index = f"--index-url {TORCH_INDEX}/{builds[0]} " if builds[0] else ""
        place = "" if builds[0] else ", from the index that pip has by itself"
        return (
            f"{name} {version} was not built for torch {torch}{why}. "
            f"Install it with: pip install --force-reinstall --no-deps {index}{name}{place}"
        )
    return f"{name} {version} is installed, and cannot be imported: {error}" if error else ""


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"
