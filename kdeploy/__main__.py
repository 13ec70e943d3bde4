"""`python -m kdeploy`, for launchers of several processes: `torchrun --nproc_per_node 2 -m kdeploy distill RECIPE`.

-m puts the working folder first on the path, where a `json.py` may have come with others. It is taken off again before
anything but `sys` is imported; only what Python itself imports to get here, and a `kdeploy` in that folder, can come
before. `python -P -m kdeploy` and the program `kdeploy` never have it there. The code of a teacher is found by
PYTHONPATH in all three.
"""

import sys

if not sys.flags.safe_path:
    del sys.path[0]

from kdeploy.cli.main import main

if __name__ == "__main__":
    main()
