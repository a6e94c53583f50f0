"""The schema that a source proposes for PostgreSQL: its declarations, held against all of its values.

In: an open source, and how names, types and times are to be chosen. Out: a `Proposal`, which is data; `etl.schema.ddl`
writes it as SQL. Every type, key, NOT NULL and check that is proposed as valid holds for every value of the source.
"""
