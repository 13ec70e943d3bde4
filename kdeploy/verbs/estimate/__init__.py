"""The estimate of a run: its own stages on few samples and for few steps, by the clock, and what that comes to for all.

May import what verbs may.
"""
