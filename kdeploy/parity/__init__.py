"""Do two models agree? Oracles in float64, budgets, comparisons, and the first node that differs.

May import graphs, models and everything below them; knows neither labels nor transforms.
"""
