"""The one plugin seam: a file a runtime, found by entry point; plugins import protocol, contract, session and ports.

May import formatting and errors alone.
"""
