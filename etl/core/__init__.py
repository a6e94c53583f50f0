"""Values that every other package passes around, and words for them; no database, no file, no pandas.

In: nothing of this product. Out: stored values, types, tables of both sides, plans, report data, errors, and how a
value may be shown to people.
"""
