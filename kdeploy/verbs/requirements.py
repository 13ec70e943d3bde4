"""Requirements that hold, or an error with its exit code says why not: claims, parity, the gate, packages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kdeploy.records.bench import BenchRecord
from kdeploy.records.bench_compare import BenchCompareRecord
from kdeploy.records.parity import VerifyRecord
from kdeploy.records.report import Summary

if TYPE_CHECKING:
    from kdeploy.verbs.doctor import Finding


def require_claims(record: BenchRecord | BenchCompareRecord) -> None:
    """Require that every claim is supported.

    Raises: ClaimError naming every comparison whose claim is not supported, and why.
    """
    from kdeploy.timing.analysis import claims

    if isinstance(record, BenchRecord):
        claims.require_supported(record.comparison)
    else:
        claims.require_claims([(arm.arm, arm.claim) for arm in record.arms])


def require_parity(record: VerifyRecord) -> None:
    """Require that every model is within budget through every runtime.

    Raises: ParityError for the first row that is not within budget: by how much, and at which node.
    """
    from kdeploy.parity.compare import raise_if_failed

    raise_if_failed(record.rows)


def require_gate(summary: Summary) -> None:
    """Require that the gate of a run is met.

    Raises: GateError that says by how much each requirement of the gate was missed, and which keys to change.
    """
    from kdeploy.evaluation.gate import raise_if_failed

    raise_if_failed(summary.gate)


def require_installed(findings: Sequence[Finding]) -> None:
    """Require that everything was found.

    Raises: MissingError naming what `doctor` did not find.
    """
    from kdeploy.verbs.doctor import lacking

    error = lacking(findings)
    if error is not None:
        raise error
