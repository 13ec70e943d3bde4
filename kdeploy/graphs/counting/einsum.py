"""Einsum: from left to right, two operands at a time, as ONNX Runtime contracts them.

    of two operands: product of the lengths of all their letters, when one is summed over; else 0

A sum over one operand, a transposition and a product without a sum are no multiply-adds, as in the other formulas.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import onnx

from kdeploy.graphs.counting.operators import Shape, attributes


def einsum(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> int:
    """Multiply-adds of an Einsum, from the shapes of its operands."""
    equation = attributes(node)["equation"].decode().replace(" ", "")
    operands, output = letters(equation, [len(shapes[name]) for name in node.input])
    lengths = _lengths(operands, [shapes[name] for name in node.input])
    total, result = 0, set(operands[0])
    for place, right in enumerate(operands[1:], 2):
        later = {letter for later in operands[place:] for letter in later} | set(output)
        both = result | set(right)
        summed = both - later
        total += math.prod(lengths[letter] for letter in both) if summed else 0
        result = both - summed
    return total


def letters(equation: str, ranks: Sequence[int]) -> tuple[list[list[str]], list[str]]:
    """The letters of each operand and of the output; an ellipsis becomes letters `.0`, `.1`, counted from the right."""
    left, arrow, right = equation.partition("->")
    operands = [_spread(term, rank) for term, rank in zip(left.split(","), ranks, strict=True)]
    if arrow:
        widest = max((sum(letter.startswith(".") for letter in operand) for operand in operands), default=0)
        return operands, _spread(right, len(right.replace("...", "")) + widest)
    every = list(itertools.chain(*operands))
    dots = sorted({letter for letter in every if letter.startswith(".")}, reverse=True)
    return operands, [*dots, *sorted(letter for letter in set(every) - set(dots) if every.count(letter) == 1)]


def _spread(term: str, rank: int) -> list[str]:
    before, dots, after = term.partition("...")
    missing = rank - len(before) - len(after) if dots else 0
    return [*before, *(f".{place}" for place in reversed(range(missing))), *after]


def _lengths(operands: Sequence[Sequence[str]], shapes: Sequence[Shape]) -> dict[str, int]:
    """The length of each letter; a length of 1 is broadcast to the other."""
    lengths: dict[str, int] = {}
    for operand, shape in zip(operands, shapes, strict=True):
        for letter, length in zip(operand, shape, strict=True):
            lengths[letter] = max(lengths.get(letter, 1), length)
    return lengths
