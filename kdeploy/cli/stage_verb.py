"""A verb that does every stage of a run up to one, and shows its record: label, distill, bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from kdeploy.cli import options
from kdeploy.cli.following import following
from kdeploy.cli.options import RUNS, AsJson, DataRoot, Out, Overwrite, Rehash, RequireExact, Runs, Set, Subject, Trust
from kdeploy.system.outputs import must_take_files

if TYPE_CHECKING:
    from kdeploy.api import FinishedRun
    from kdeploy.records.base import Record

Follow = Callable[[str], str]  # a verb to the command line that does it to the same run


def stage_verb(
    stage: str, help_: str, record: Callable[[FinishedRun], Record], show: Callable[[FinishedRun, Follow], None]
) -> Callable[..., None]:
    """The command of a verb.

    Args:
        record: of the stage, which --json prints.
        show: prints the result of the stage, and gets what makes the next command of a verb.
    """

    def command(
        subject: Subject,
        out: Out = None,
        overwrite: Overwrite = False,
        set_: Set = None,
        data_root: DataRoot = None,
        runs: Runs = RUNS,
        trust: Trust = False,
        require_exact: RequireExact = False,
        rehash: Rehash = False,
        as_json: AsJson = False,
    ) -> None:
        from kdeploy import api
        from kdeploy.cli import output
        from kdeploy.cli.progress import watched

        if out is not None:
            must_take_files(out)
        with watched() as progress:
            asked = options.options(runs, data_root, set_, trust, progress)
            run = api.load_run(api.run(subject, replace(asked, require_exact=require_exact, rehash=rehash), upto=stage))
        if out is not None:
            api.copy_folder(run.folder(stage), out, overwrite=overwrite)
        if as_json:
            output.record(record(run), folder=out or run.folder(stage))
        else:
            follow = partial(following, runs=runs, data_root=data_root, set_=set_, trust=trust)
            show(run, lambda verb: follow(verb, subject))

    command.__doc__ = help_
    return command
