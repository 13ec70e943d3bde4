"""The environment that a child process starts with: a list of what may pass, and not a copy of this one.

A child loads models, some of which came from outside. What it has no use for it does not get: AWS_SECRET_ACCESS_KEY,
HF_TOKEN, a proxy with its password. What passes is what any program needs to start (where programs, homes and temporary
files are, the locale, the time zone), what a user measures with (threads, allocators, preloaded libraries, devices and
the switches of runtimes and of Python) and what is kdeploy's own.

Where a variable says from where code is loaded, an entry that is not absolute is left out. An empty one, as a colon too
many makes it, stands for the working folder too, and what lies there may have come with others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

_NAMES = """USER LOGNAME LANG LANGUAGE TMPDIR TZ
    GLIBC_TUNABLES PYTHONDONTWRITEBYTECODE PYTHONHASHSEED PYTHONNOUSERSITE PYTHONUTF8"""
_PREFIXES = """LC_ KDEPLOY_
    OMP_ GOMP_ KMP_ MKL_ OPENBLAS_ GOTO_ BLIS_ VECLIB_ TBB_ NPY_ MALLOC_
    ORT_ OV_ ONEDNN_ DNNL_ ATEN_ XNNPACK_ CUDA_ NVIDIA_"""
_PLACES = """PATH LD_LIBRARY_PATH DYLD_LIBRARY_PATH LD_PRELOAD DYLD_INSERT_LIBRARIES NODE_PATH
    HOME XDG_CACHE_HOME XDG_CONFIG_HOME
    PYTHONHOME PYTHONPATH PYTHONPYCACHEPREFIX PYTHONUSERBASE
    OV_FRONTEND_PATH"""
NAMES, PREFIXES = frozenset(_NAMES.split()), tuple(_PREFIXES.split())
PLACES = frozenset(_PLACES.split())  # of code, or of what leads to code: one folder, or a list
PRELOADED = ("LD_PRELOAD", "DYLD_INSERT_LIBRARIES")


def passed_on(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The part of an environment, this process's own by default, that a child gets."""
    places = {name: _absolute(name, value) for name, value in environment.items() if name in PLACES}
    others = {
        name: value
        for name, value in environment.items()
        if name not in PLACES and (name in NAMES or name.startswith(PREFIXES))
    }
    return others | {name: value for name, value in places.items() if value}


def _absolute(name: str, value: str) -> str:
    """The entries of a place that are absolute; libraries to preload may be names, which no folder is searched for."""
    if name in PRELOADED:
        entries = [one for one in re.split("[: ]", value) if one and ("/" not in one or Path(one).is_absolute())]
    else:
        entries = [one for one in value.split(os.pathsep) if Path(one).is_absolute()]
    return os.pathsep.join(entries)
