"""Numbers and text for people.

May import errors alone.
"""
