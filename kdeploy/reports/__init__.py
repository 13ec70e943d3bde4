"""What people read about a run: the summary, and the page with its tables and figures, as functions of records.

May import evaluation and everything below it; knows no stage.
"""
