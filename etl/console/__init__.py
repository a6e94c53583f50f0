"""The command line: options, progress, summaries, exit codes.

In: arguments; the events of a run. Out: text on stdout and stderr, and an exit code.
"""
