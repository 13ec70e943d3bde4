"""kdeploy bench run: the student of a run against its teacher."""

from __future__ import annotations

from kdeploy.cli import options
from kdeploy.cli.bench.options import ColdStart, Energy, Export, Quick, RequireClaim, Sustained, Wait
from kdeploy.cli.following import following
from kdeploy.cli.options import RUNS, AsJson, DataRoot, Out, Overwrite, Runs, Set, Subject, Trust
from kdeploy.cli.overrides import bench_overrides
from kdeploy.system.outputs import must_take_files


def command(
    subject: Subject,
    cold_start: ColdStart = False,
    sustained: Sustained = None,
    energy: Energy = False,
    quick: Quick = False,
    wait: Wait = 0.0,
    require_claim: RequireClaim = False,
    export: Export = None,
    out: Out = None,
    overwrite: Overwrite = False,
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
    if out is not None:
        must_take_files(out)
    with watched() as progress:
        overrides = [*asked, *(set_ or [])]
        job = api.run(subject, options.options(runs, data_root, overrides, trust, progress), upto="bench")
    finished = api.load_run(job)
    record = finished.bench
    exported = api.export_pytest_benchmark(finished.folder("bench"), record) if export else None
    if out is not None:
        api.copy_folder(finished.folder("bench"), out, overwrite=overwrite)
    result.show(record, require_claim=require_claim, as_json=as_json)
    if not as_json:
        after = following("bundle", subject, runs=runs, data_root=data_root, set_=overrides, trust=trust)
        result.finish(exported, after)
