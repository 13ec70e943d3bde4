"""Data in: sources, the canonical sample set, its split, views of it, and each model's preprocessing.

    source settings -> sources.load -> SampleSet -> views.Views -> preprocessing.apply -> a model's input

Only `draws`, `views` and `preprocessing` import torch. May import records and everything below them.
"""
