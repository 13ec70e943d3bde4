"""A verb that does every stage up to one, and shows its record: label, distill, bundle, report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from kdeploy.cli import options
from kdeploy.cli.options import RUNS, AsJson, DataRoot, RequireExact, Runs, Set, Subject, Trust

if TYPE_CHECKING:
    from kdeploy.pipeline.job import Job


def stage_verb(stage: str, help_: str, show: Callable[[Job, str], None]) -> Callable[..., None]:
    """The command; `show` prints what the stage of a job came to, and gets what the user called it."""

    def command(
        subject: Subject,
        set_: Set = None,
        data_root: DataRoot = None,
        runs: Runs = RUNS,
        trust: Trust = False,
        require_exact: RequireExact = False,
        as_json: AsJson = False,
    ) -> None:
        from kdeploy import api
        from kdeploy.cli import output
        from kdeploy.cli.progress import watched
        from kdeploy.pipeline.order import named

        with watched() as progress:
            asked = options.options(runs, data_root, set_, trust, progress)
            job = api.run(subject, replace(asked, require_exact=require_exact), upto=stage)
        if as_json:
            output.record(job.read(named(stage)))
        else:
            show(job, subject)

    command.__doc__ = help_
    return command
