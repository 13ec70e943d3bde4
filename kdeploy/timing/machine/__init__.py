"""What the system says while a measurement runs: counters of a block, energy, CPUs, what a process consumed.

Imports the standard library alone, because a worker pays for what it imports; the analysis reads none of it.
"""
