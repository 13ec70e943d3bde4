"""`python -m kdeploy`, which launchers of several processes start: `torchrun --nproc_per_node 2 -m kdeploy distill ...`."""

from __future__ import annotations

from kdeploy.cli import main

if __name__ == "__main__":
    main()
