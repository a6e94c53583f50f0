"""What the source really holds: storage classes, NULLs, ranges, distributions, disagreements, orphans.

In: a path. Out: a `Profile` of DataFrames that displays itself, and writes a page.
"""
