"""The stages, one file or folder each: samples teacher labels distill export verify bench bundle ensemble.

None knows another. May import evaluation and everything below it; never the recipe's sections or the pipeline.
"""
