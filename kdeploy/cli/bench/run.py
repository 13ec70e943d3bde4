"""kdeploy bench run: the student of a run against its teacher."""

from __future__ import annotations

from kdeploy.cli import options
from kdeploy.cli.bench.options import ColdStart, Energy, Export, Quick, RequireClaim, Sustained, Wait
from kdeploy.cli.options import RUNS, AsJson, DataRoot, Runs, Set, Subject, Trust
from kdeploy.cli.overrides import bench_overrides


def command(
    subject: Subject,
    cold_start: ColdStart = False,
    sustained: Sustained = None,
    energy: Energy = False,
    quick: Quick = False,
    wait: Wait = 0.0,
    require_claim: RequireClaim = False,
    export: Export = None,
    set_: Set = None,
    data_root: DataRoot = None,
    runs: Runs = RUNS,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Time student against teacher as the recipe says (bench.*), with the options here on top."""
    from kdeploy import api
    from kdeploy.cli.bench import result
    from kdeploy.cli.progress import watched

    asked = bench_overrides(
        quick=quick, cold_start=cold_start, sustained_seconds=sustained or 0.0, energy=energy, wait=wait
    )
    with watched() as progress:
        overrides = [*asked, *(set_ or [])]
        job = api.run(subject, options.options(runs, data_root, overrides, trust, progress), upto="bench")
    finished = api.load_run(job)
    record = finished.bench
    exported = api.export_pytest_benchmark(finished.folder("bench"), record) if export else None
    result.show(record, require_claim=require_claim, as_json=as_json)
    if not as_json:
        result.finish(exported, f"kdeploy bundle {subject}")
