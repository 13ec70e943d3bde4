"""From raw samples to figures, reasons and claims: pure functions, so that a stored result can be computed again.

May import kdeploy.timing.raw and what is below it: no process, no clock and no counter of this machine.
"""
