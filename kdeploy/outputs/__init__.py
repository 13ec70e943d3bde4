"""What a model's outputs are: one file a kind, the only place that knows how such outputs are judged.

    classes   one of several          accuracy
    labels    several yes or no       mean average precision
    values    numbers in a unit       R^2

May import errors and formatting. NumPy alone; what is computed with gradients stands in `losses`.
"""
