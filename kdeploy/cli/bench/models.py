"""kdeploy bench models: two external models against each other."""

from __future__ import annotations

import typer

from kdeploy.cli import options
from kdeploy.cli.bench.options import (
    Against,
    Batch,
    ColdStart,
    Energy,
    Export,
    Inputs,
    MaxTime,
    MinEffect,
    Models,
    NoNull,
    Quick,
    RequireClaim,
    Runtime,
    Seed,
    Sustained,
    Threads,
    Wait,
)
from kdeploy.cli.following import following
from kdeploy.cli.options import RUNS, AsJson, Out, Overwrite, Runs
from kdeploy.system.outputs import must_take_files


def command(
    models: Models,
    against: Against = None,
    runtime: Runtime = None,
    inputs: Inputs = None,
    threads: Threads = 1,
    batch: Batch = 1,
    max_time: MaxTime = 150.0,
    min_effect: MinEffect = 0.03,
    no_null: NoNull = False,
    seed: Seed = 0,
    cold_start: ColdStart = False,
    sustained: Sustained = None,
    energy: Energy = False,
    quick: Quick = False,
    wait: Wait = 0.0,
    require_claim: RequireClaim = False,
    export: Export = None,
    out: Out = None,
    overwrite: Overwrite = False,
    runs: Runs = RUNS,
    as_json: AsJson = False,
) -> None:
    """Time two models against each other; the first of two is the baseline."""
    from kdeploy import api
    from kdeploy.cli.bench import result
    from kdeploy.cli.progress import watched

    pair = models if against is None else [against, *models]
    if len(pair) != 2:
        raise typer.BadParameter("give two models, or one model and --vs")
    if out is not None:
        must_take_files(out)
    with watched() as progress:
        folder, record = api.bench_models(
            pair[0],
            pair[1],
            options.options(runs, None, None, False, progress),
            runtimes=runtime,
            inputs=inputs,
            threads=threads,
            batch=batch,
            max_seconds=max_time,
            min_effect=min_effect,
            null=not no_null,
            seed=seed,
            cold_start=cold_start,
            sustained_seconds=sustained or 0.0,
            energy=energy,
            quick=quick,
            wait_seconds=wait,
        )
    exported = api.export_pytest_benchmark(folder, record) if export else None
    if out is not None:
        api.copy_folder(folder, out, overwrite=overwrite)
    result.show(record, require_claim=require_claim, as_json=as_json)
    if not as_json:
        result.finish(exported, following("report", folder, runs=runs))
