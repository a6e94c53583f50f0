"""Threads and signals: work in the background, work ahead of its reader, Ctrl-C and SIGTERM.

In: callables. Out: their results, or the interruption. It knows no database and no session.
"""
