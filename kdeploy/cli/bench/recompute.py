"""kdeploy bench recompute: a result again from its raw samples."""

from __future__ import annotations

from kdeploy.cli.bench.options import Folder, RequireClaim
from kdeploy.cli.options import AsJson


def command(folder: Folder, require_claim: RequireClaim = False, as_json: AsJson = False) -> None:
    """Compute the bench.json of a folder again from its raw samples; object when one of them was edited."""
    from kdeploy import api
    from kdeploy.cli.bench import result

    result.show(api.recompute(folder), require_claim=require_claim, as_json=as_json)
