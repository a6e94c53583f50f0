"""Schemas that the product can create.

In: a connection. Out: the tables that were created, and the types that they have.
"""
