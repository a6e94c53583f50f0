"""Two catalogues → a plan: which table goes where, in which order, column by column, and what differs.

In: a `Source` and a `Session`. Out: a `Plan`, or `DriftError` where somebody has to decide.
"""
