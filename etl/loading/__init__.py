"""Accepted rows → rows in PostgreSQL, and the outcome of each.

In: a `Session`, a `TablePlan`, batches of accepted rows. Out: `Loaded`: rows inserted, rows already present, and rows
refused with reasons. Fast where nothing stands against it, row by row where need be.
"""
