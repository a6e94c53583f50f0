"""The SQLite file: one consistent state, read-only, never modified.

In: a path. Out: its catalogue (`SourceTable`), and batches of rows as raw frames, every value as SQLite stores it.
"""
