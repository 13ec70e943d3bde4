"""The estimate of a run: its own stages, done on few samples, for few steps, by the clock, and what that comes to for all.

May import what verbs may.
"""
