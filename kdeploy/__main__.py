"""`python -m kdeploy`, for launchers of several processes: `torchrun --nproc_per_node 2 -m kdeploy distill RECIPE`."""

from __future__ import annotations

from kdeploy.cli.main import main

if __name__ == "__main__":
    main()
