"""The refusals of `bundle_core`, which knows nothing of kdeploy, as errors of kdeploy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kdeploy.bundles.programs import bundle_core as core
from kdeploy.errors import BundleError, IntegrityError, KdeployError, ParityError, ResourceError

ERRORS: dict[type[core.Problem], type[KdeployError]] = {
    core.Broken: IntegrityError,
    core.Differs: ParityError,
    core.Spent: ResourceError,
}


@contextmanager
def translated() -> Iterator[None]:
    """Turn the refusals of `bundle_core` into errors of kdeploy."""
    try:
        yield
    except core.Problem as problem:
        error = ERRORS.get(type(problem), BundleError)
        raise error(problem.where, problem.must, got=problem.got, advice=problem.advice) from problem
