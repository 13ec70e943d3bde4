"""Each count is taken in a process of its own: what the tests before left in the heap decides where a block goes."""

from __future__ import annotations

import resource

import numpy as np
import pytest

from kdeploy.system import malloc
from kdeploy.system.malloc import keeping_pages
from tests.program import python

BYTES = 256 << 20
PAGES = BYTES // resource.getpagesize()
COUNT = """
from kdeploy.system.malloc import keeping_pages
from tests.system.test_malloc import faults_of_a_large_block
"""
INSIDE = """
faults_of_a_large_block()
outside = faults_of_a_large_block()
with keeping_pages():
    faults_of_a_large_block()
    print(outside, faults_of_a_large_block())
"""
AFTERWARDS = """
with keeping_pages():
    faults_of_a_large_block()
faults_of_a_large_block()
print(faults_of_a_large_block())
"""


def faults_of_a_large_block() -> int:
    """Page faults of a block that is taken, filled and freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.empty(BYTES, np.uint8).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def counts(script: str) -> list[int]:
    done = python("-c", COUNT + script)
    assert (done.code, done.stderr) == (0, "")
    return [int(word) for word in done.stdout.split()]


needs_glibc = pytest.mark.skipif(malloc._glibc() is None, reason="this C library has no mallopt")
# NumPy asks for huge pages where the system gives them on request: then one fault fills 512 pages


@needs_glibc
def test_a_block_that_is_freed_inside_is_filled_again_without_page_faults():
    outside, inside = counts(INSIDE)
    assert inside < outside / 20


@needs_glibc
def test_afterwards_everything_is_as_it_was():
    [after] = counts(AFTERWARDS)
    assert after >= PAGES // 512


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(malloc.ctypes, "CDLL", lambda _name: object())
    assert malloc._glibc() is None
    with keeping_pages():
        assert faults_of_a_large_block() >= PAGES // 512
