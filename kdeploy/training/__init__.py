"""The one training loop, with its options, schedules, optimizers and checkpoints.

May import samples, system, records and errors.
"""
