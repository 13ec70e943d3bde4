from __future__ import annotations

from kdeploy.timing.run.record import telling_variables


def test_variables_that_steer_a_runtime_are_recorded_and_no_others():
    environment = {
        "OMP_NUM_THREADS": "2",
        "MALLOC_CONF": "narenas:1",
        "LD_PRELOAD": "/home/me/lib/libjemalloc.so",
        "OMP_TOKEN": "abc",
        "HF_TOKEN": "def",
        "HOME": "/home/me",
    }
    assert telling_variables(environment) == {
        "LD_PRELOAD": "libjemalloc.so",
        "MALLOC_CONF": "narenas:1",
        "OMP_NUM_THREADS": "2",
        "OMP_TOKEN": "(set)",
    }
