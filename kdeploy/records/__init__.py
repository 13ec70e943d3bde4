"""What stages write down: frozen pydantic models, saved as JSON with a schema.

May import recipe, runtimes, formatting and errors.
"""
