"""Rewrites that keep what a model computes: fusing, folding, ranks, preprocessing in front.

May import graphs, models and everything below them; knows neither labels nor parity.
"""
