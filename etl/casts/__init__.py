"""The casts: one small module per family of PostgreSQL types, each from SQLite's storage classes to Arrow arrays.

Every cast is a function `(values, target) -> Cells`, without I/O; `etl.convert` holds the table that says
which one applies.
"""
