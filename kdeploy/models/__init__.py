"""Teachers and students as torch modules, and whatever answers `outputs(batch)`.

May import samples, system, records and runtimes.
"""
