"""The measurement: fresh processes that are started, pinned, asked in turn and ended, and the raw samples they give.

The orchestrator's side is `orchestrator`, `replicate`, `call_overhead`, `optional`, `throughput` and `machine_peaks`,
all through `worker_process`; the programs of the processes are `worker` and `peak_worker`. May import everything of
kdeploy.timing but its doors; nothing that reads samples (kdeploy.timing.analysis) imports it.
"""
