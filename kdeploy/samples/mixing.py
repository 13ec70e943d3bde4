"""The integer hash under every seeded choice: the finaliser of splitmix64, on Python integers and NumPy arrays.

    z = x + G;  z = (z ^ (z >> 30)) * M1;  z = (z ^ (z >> 27)) * M2;  mix(x) = z ^ (z >> 31)      (mod 2**64)

with G the golden gamma (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014; the
constants are Stafford's Mix13). `draws` has the same function in torch. Our own hash, not a library's generator,
because those may change their streams between versions, and a split or a view must not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
SHIFTS = (30, 27, 31)


def mix(word: int) -> int:
    """The hash of one integer, taken modulo 2**64."""
    state = (word + GOLDEN) & MASK
    for shift, multiplier in zip(SHIFTS, MULTIPLIERS, strict=False):
        state = ((state ^ (state >> shift)) * multiplier) & MASK
    return state ^ (state >> SHIFTS[-1])


def mix_array(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The hash of each element of an array of any shape; NumPy's unsigned arithmetic wraps by itself."""
    state = words + np.uint64(GOLDEN)
    for shift, multiplier in zip(SHIFTS, MULTIPLIERS, strict=False):
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(multiplier)
    return state ^ (state >> np.uint64(SHIFTS[-1]))


def shuffle_keys(seed: int, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    """One sorting key, `mix(mix(seed) + row)`, for each of the rows, (N,) to (N,): sorting by them shuffles.

    A key needs no other row.
    """
    return mix_array(rows.astype(np.uint64) + np.uint64(mix(seed)))
