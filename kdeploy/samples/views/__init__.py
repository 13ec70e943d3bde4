"""Augmentations: views of a sample, each a pure function of (seed, view number, sample index).

May import what samples may.
"""
