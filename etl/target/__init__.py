"""PostgreSQL: connections, the catalogue, privileges, locks, constraints, sequences, COMMIT.

In: a URL, SQL. Out: a `Session`, the target's tables, and errors that name a remedy.
"""
