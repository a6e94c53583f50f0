"""One cast for each pair of target type and SQLite storage class; vectorised, exact, no guesses.

In: an Arrow array of one storage class. Out: `Cells(values, faults)`.
"""
