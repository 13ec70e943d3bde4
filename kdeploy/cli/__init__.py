"""The command line: parse, call one function of the API, print. One file a command; exit codes are those of errors.

Nothing here imports torch, or anything slow, before a command runs. May import api, records, recipe, formatting, errors
and what `system` says about progress, processes and packages.
"""
