"""kdeploy bench: a file a subcommand, and what they print.

May import what cli may.
"""
