"""The export: forms of the bottleneck, formats, precisions, and what is proved about each file.

May import what stages may.
"""
