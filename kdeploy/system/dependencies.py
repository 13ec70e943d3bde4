"""Which package an import lacks: an environment may hold only those of kdeploy's dependencies that are light."""

from __future__ import annotations

import re

from kdeploy.errors import MissingError


def missing_dependency(error: BaseException) -> MissingError | None:
    """The error to show in place of an import that failed; None unless it lacks what kdeploy itself depends on."""
    name = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if name not in dependencies():
        return None
    got = "this environment has a part of kdeploy's dependencies only"
    advice = "Install the others with: pip install kdeploy"
    return MissingError(f"package '{name}'", "must be installed for this", got=got, advice=advice)


def dependencies() -> set[str]:
    """The names of the packages that kdeploy cannot do without, those of its extras left out."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        declared = requires("kdeploy") or []
    except PackageNotFoundError:  # nothing is installed: it runs out of its sources
        return set()
    return {re.split(r"[^\w.-]", line)[0] for line in declared if "extra ==" not in line}
