"""The environment of a child: a list of what may pass, and no place of code that is not absolute."""

from __future__ import annotations

import pytest

from kdeploy.runtimes.environment import PLACES, passed_on
from kdeploy.timing.run.record import _TELLING_VARIABLES


def test_what_is_not_on_the_list_stays_behind():
    secrets = ("AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "HTTP_PROXY", "PIP_INDEX_URL", "PYTHONSTARTUP", "NODE_OPTIONS", "X")
    assert passed_on(dict.fromkeys(secrets, "planted")) == {}


def test_what_a_user_measures_with_passes_as_it_is():
    given = {
        "OMP_NUM_THREADS": "2",
        "OPENBLAS_CORETYPE": "Haswell",
        "ORT_DISABLE_TELEMETRY": "1",
        "LC_ALL": "C.UTF-8",
        "LANG": "C",
        "TMPDIR": "here",
        "KDEPLOY_DATA": "../data",
        "PYTHONHASHSEED": "0",
        "CUDA_VISIBLE_DEVICES": "",
    }
    assert passed_on(given) == given


@pytest.mark.parametrize("prefix", sorted(_TELLING_VARIABLES))
def test_what_a_benchmark_records_of_its_environment_can_reach_it(prefix):
    name = {"PYTHONHASH": "PYTHONHASHSEED"}.get(prefix, prefix)
    name = f"{name}X" if name.endswith("_") else name
    assert passed_on({name: "/absolute"}) == {name: "/absolute"}


@pytest.mark.parametrize("name", sorted(PLACES))
def test_an_entry_that_is_not_absolute_is_left_out(name):
    assert passed_on({name: "/a:here/it:/b"})[name] == "/a:/b"
    assert passed_on({name: ":/a::./x:../y:"})[name] == "/a"
    for value in ("", ":", "./x", "here/it", "../x"):
        assert passed_on({name: value}) == {}


def test_a_library_to_preload_may_be_a_name_and_spaces_part_them():
    assert passed_on({"LD_PRELOAD": "libjemalloc.so.2 ./mine.so /lib/tcmalloc.so"}) == {
        "LD_PRELOAD": "libjemalloc.so.2:/lib/tcmalloc.so"
    }
