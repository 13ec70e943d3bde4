from __future__ import annotations

import pytest

from kdeploy.formatting.shortage import is_shortage, says_shortage

SAID = (
    "std::bad_alloc",
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : bad allocation",
    "Failed to allocate memory for requested buffer of size 4096",
    "DefaultCPUAllocator: can't allocate memory: you tried to allocate 10035200 bytes",
    "OpenBLAS error: Memory allocation still failed after 10 retries, giving up.",
    "OpenBLAS blas_thread_init: pthread_create failed for thread 1 of 2: Resource temporarily unavailable",
    "libgomp: Thread creation failed: Resource temporarily unavailable",
    "libtorch_cpu.so: failed to map segment from shared object",
    "libtorch_cpu.so: cannot allocate memory in static TLS block",
    "can't start new thread",
)


@pytest.mark.parametrize("text", SAID)
def test_every_library_says_it_in_its_own_words(text: str):
    assert says_shortage(text)
    assert is_shortage(RuntimeError(text))


def test_the_class_says_it_without_words():
    assert is_shortage(MemoryError())
    assert not is_shortage(RuntimeError("out of ideas"))
