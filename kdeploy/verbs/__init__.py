"""What a user asks for that is no stage: a plan, a sweep, a look at this machine, external models.

May import pipeline and everything below it.
"""
