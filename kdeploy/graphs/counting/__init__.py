"""What one call of a graph costs: multiply-adds, parameters and bytes of weights, counted from the graph itself.

May import what graphs may.
"""
