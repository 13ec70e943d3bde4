"""The benchmark: how fast is the candidate compared with the baseline, on this machine, and how sure are we?

    request -> orchestrator -> (three workers a replicate) -> raw blocks -> statistics -> claim -> kdeploy.bench/3
                            -> (one worker at a time)      -> throughputs; cold starts, sustained runs, energy
    raw blocks -> the same numbers again (recompute);  two results -> what changed (compare)

The doors are `request` (what to measure), `subprocess_run` (measure it), `recompute` and `compare`; `pytest_benchmark`
exports. `raw` is what lies between the two halves: `run` measures and writes it, `analysis` reads it, and knows nothing
of `run`; `machine` is what the system says meanwhile, `messages` what orchestrator and workers say to each other.

`python -m kdeploy.timing` is the orchestrator, `python -m kdeploy.timing.run.worker` one arm. Both run bare: no torch
here, and no pydantic in a worker, whose start is paid for three times a replicate.
"""
