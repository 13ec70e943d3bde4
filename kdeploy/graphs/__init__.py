"""ONNX graphs as data: exported from torch, counted, and inspected before any runtime sees them.

May import samples, system, records and runtimes.
"""
