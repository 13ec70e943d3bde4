"""Fuzzing: thousands of bad recipes, models, bundles and data files, each through the program as people run it."""
