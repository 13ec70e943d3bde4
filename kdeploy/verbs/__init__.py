"""What a user asks for that is no stage: a plan, a sweep, a look at this machine, models made elsewhere.

May import pipeline and everything below it.
"""
