"""The order of the stages, and how one is done: what each reads, what its result depends on, where it is kept.

May import everything but verbs, api and cli. A stage's own module says what it depends on and calls it.
"""
