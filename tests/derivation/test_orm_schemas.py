"""Databases as a dozen ORMs make them: the schema derived from each runs on a server, and is the same each time."""

from pathlib import Path

import pytest
from support.database import Database
from support.orms import APPLICATIONS, Application
from support.targets import execute, query

from etl.core.proposal import ObjectKind, Proposal
from etl.derivation.derive import derive
from etl.schema.ddl import script
from etl.source.database import Source


def derived(path: Path) -> Proposal:
    with Source(path) as source:
        return derive(source)


@pytest.mark.parametrize("application", APPLICATIONS, ids=lambda one: one.name)
def test_the_script_makes_every_table_and_foreign_key(
    application: Application, tmp_path: Path, database: Database
) -> None:
    proposal = derived(application.make(tmp_path / "app.db"))
    execute(database, script(proposal, "app.db"))
    made = {name for (name,) in query(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert made == {table.name for table in proposal.tables}
    constraints = query(database, "SELECT conname FROM pg_constraint WHERE contype = 'f' AND convalidated")
    keys = [one for table in proposal.tables for one in table.constraints if one.kind is ObjectKind.FOREIGN_KEY]
    assert sorted(constraints) == sorted((one.name,) for one in keys)


@pytest.mark.parametrize("application", APPLICATIONS, ids=lambda one: one.name)
def test_the_same_source_gives_the_same_script(application: Application, tmp_path: Path) -> None:
    path = application.make(tmp_path / "app.db")
    assert script(derived(path), "app.db") == script(derived(path), "app.db")
