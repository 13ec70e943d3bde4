"""What a recipe may say, how its file is read, and how its problems are reported.

May import formatting and errors alone.
"""
