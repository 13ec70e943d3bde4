"""How good models are, and whether one is better: accuracy, cost of a precision, the verdict, the gate.

May import parity and everything below it.
"""
