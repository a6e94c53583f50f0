"""The sample database of 820 made-up rows.

In: a path. Out: a SQLite file of the 20 tables, the same bytes each time.
"""
