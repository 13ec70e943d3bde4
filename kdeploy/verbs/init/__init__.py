"""`kdeploy init`: a recipe from a teacher's file and a place with data.

May import what verbs may.
"""
