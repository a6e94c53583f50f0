"""Derives a PostgreSQL schema for any SQLite database, proved on all of its values.

In: an open source, and the user's wishes (names, types, times). Out: a `Proposal`. Nothing is written, and no target is
asked: whoever applies a proposal lets the server have the last word.
"""
