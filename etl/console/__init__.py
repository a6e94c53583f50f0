"""The command line: options, summaries, exit codes.

In: arguments; the events of a run. Out: text on stdout and stderr, and an exit code.
"""
