"""kdeploy verify run: the models of a run."""

from __future__ import annotations

from kdeploy.cli import options
from kdeploy.cli.following import following
from kdeploy.cli.options import RUNS, AsJson, DataRoot, Runs, Set, Subject, Trust


def command(
    subject: Subject,
    set_: Set = None,
    data_root: DataRoot = None,
    runs: Runs = RUNS,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Check that the models of a run agree with the trained networks on all test inputs, through every runtime."""
    from kdeploy import api
    from kdeploy.cli import output
    from kdeploy.cli.progress import watched
    from kdeploy.cli.verify import parity

    with watched() as progress:
        record = api.verify(subject, options.options(runs, data_root, set_, trust, progress))
    parity.finish(record, as_json=as_json)
    output.next_command(following("bench", subject, runs=runs, data_root=data_root, set_=set_, trust=trust))
