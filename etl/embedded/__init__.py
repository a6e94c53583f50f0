"""The PostgreSQL server that needs no installation: initialised, started, shared and stopped.

In: a data folder. Out: the URL of a database.
"""
