"""kdeploy bench compare: two results of the same models side by side."""

from __future__ import annotations

from kdeploy.cli.bench.options import FirstFolder, RequireClaim, SecondFolder
from kdeploy.cli.options import AsJson


def command(
    first: FirstFolder, second: SecondFolder, require_claim: RequireClaim = False, as_json: AsJson = False
) -> None:
    """Set two results of the same models side by side: has anything changed?"""
    from kdeploy import api
    from kdeploy.cli import output

    record = api.compare(first, second)
    if require_claim:
        api.require_claims(record)  # two results support none
    if as_json:
        output.record(record)
        return
    for arm in record.arms:
        output.line(arm.claim.text)
