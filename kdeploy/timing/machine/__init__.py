"""What the system says while a measurement runs: counters of a block, energy, CPUs, what a process consumed.

May import the standard library and kdeploy.timing.messages alone, because a worker pays for what it imports; the
analysis reads none of it.
"""
