"""Losses on logits and features, each a value for each sample, and how several are combined.

May import samples, system, records and errors.
"""
