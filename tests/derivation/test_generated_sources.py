"""Whatever a source declares and holds: a schema comes of it that a server takes, and that is the same each time."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2.extensions
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.any_database import AnyDatabase, databases, make_source
from support.database import Server, fresh_database
from support.targets import connected

from etl.core.proposal import NameStyle, Proposal, TypeChoice
from etl.derivation.derive import Wishes, derive
from etl.schema.ddl import create_table
from etl.source.database import Source


@pytest.fixture(scope="module")
def postgres(server: Server) -> Iterator[psycopg2.extensions.connection]:
    with fresh_database(server) as database, connected(database) as connection:
        yield connection


def statements(proposal: Proposal) -> list[str]:
    """All that the source's rows satisfy, tables first and foreign keys last."""
    constraints = [one for table in proposal.tables for one in table.constraints if not one.broken_rows]
    constraints.sort(key=lambda one: one.kind.value == "foreign key")
    return [*map(create_table, proposal.tables), *(one.sql for one in (*constraints, *proposal.views))]


@given(databases(), st.sampled_from(NameStyle), st.sampled_from(TypeChoice))
@settings(max_examples=40)
def test_a_server_takes_the_schema_of_any_source(
    postgres: psycopg2.extensions.connection, example: AnyDatabase, names: NameStyle, types: TypeChoice
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.db"
        make_source(example, path)
        with Source(path) as source:
            proposal = derive(source, Wishes(names=names, types=types))
            assert derive(source, Wishes(names=names, types=types)) == proposal
            assert {table.source for table in proposal.tables} == set(source.tables)
    with postgres.cursor() as cursor:
        try:
            for statement in statements(proposal):
                cursor.execute(statement)
        finally:
            postgres.rollback()
