"""This machine: files, child and sibling processes, the host, progress.

May import records and everything below them.
"""
