"""Rights that the connected role lacks, one by one: the load works in its careful way, or names the missing GRANT.

What the message says is then done, word for word, and the same command succeeds.
"""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.commands import Commands, commands
from support.database import Database, Server
from support.sources import make_sqlite
from support.targets import connected, execute, query, state, url_as, value

from etl.sample.build import make_sample

__all__ = ["commands"]  # a fixture

TABLES = (
    "CREATE TABLE p (id serial PRIMARY KEY, v text)",
    "CREATE TABLE c (id integer PRIMARY KEY, p integer REFERENCES p)",
    "CREATE INDEX i ON c (p)",
)
ALL = (
    "GRANT SELECT, INSERT, UPDATE ON p, c TO {role}",
    "GRANT SELECT, UPDATE ON SEQUENCE p_id_seq TO {role}",
)
OWNER = ("ALTER TABLE p OWNER TO {role}", "ALTER TABLE c OWNER TO {role}", "GRANT CREATE ON SCHEMA public TO {role}")
FAMILY = {"p": 2, "c": 3}


@pytest.fixture
def role(server: Server, database: Database) -> Iterator[str]:
    """A role without any rights of its own, in a database with two tables."""
    execute(database, *TABLES)
    name = f"etl_role_{secrets.token_hex(4)}"
    server.execute(f"CREATE ROLE {name}")
    yield name
    execute(database, f"DROP OWNED BY {name} CASCADE")
    server.execute(f"DROP ROLE {name}")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE p (id INTEGER PRIMARY KEY, v TEXT)",
        "INSERT INTO p VALUES (1, 'a'), (2, 'b')",
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER)",
        "INSERT INTO c VALUES (1, 1), (2, 2), (3, NULL)",
    )


@dataclass(frozen=True)
class Lacking:
    """A right that is taken away after `given`, and the GRANT that the message names."""

    taken: str
    remedy: str
    given: tuple[str, ...] = ALL
    options: tuple[str, ...] = ()


NAMED = {
    "USAGE on the schema": Lacking(
        "REVOKE ALL ON SCHEMA public FROM PUBLIC, {role}", "GRANT USAGE ON SCHEMA public TO {role}"
    ),
    "USAGE on the schema, to create": Lacking(
        "REVOKE USAGE ON SCHEMA public FROM PUBLIC, {role}",
        "GRANT USAGE ON SCHEMA public TO {role}",
        options=("--create-schema", "--dry-run"),
        given=(*ALL, "GRANT CREATE ON SCHEMA public TO {role}"),
    ),
    "everything on the tables": Lacking(
        "REVOKE ALL ON p, c FROM {role}", "GRANT SELECT, INSERT ON public.c, public.p TO {role}"
    ),
    "SELECT": Lacking("REVOKE SELECT ON c FROM {role}", "GRANT SELECT ON public.c TO {role}"),
    "INSERT": Lacking("REVOKE INSERT ON p FROM {role}", "GRANT INSERT ON public.p TO {role}"),
    "INSERT into one column": Lacking(
        "REVOKE INSERT (v) ON p FROM {role}",
        "GRANT INSERT ON public.p TO {role}",
        (*ALL, "REVOKE INSERT ON p FROM {role}", "GRANT INSERT (id, v) ON p TO {role}"),
    ),
    "SELECT for a dry run": Lacking(
        "REVOKE ALL ON p, c FROM {role}", "GRANT SELECT ON public.c, public.p TO {role}", options=("--dry-run",)
    ),
    "SELECT on a parent that is not loaded": Lacking(
        "REVOKE SELECT ON p FROM {role}",
        "GRANT SELECT ON public.p TO {role}",
        (*ALL, "INSERT INTO p VALUES (1), (2)"),
        ("--tables", "c"),
    ),
    "TEMPORARY": Lacking(
        "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC, {role}",
        "GRANT TEMPORARY ON DATABASE {database} TO {role}",
    ),
    "TEMPORARY for a dry run": Lacking(
        "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC, {role}",
        "GRANT TEMPORARY ON DATABASE {database} TO {role}",
        options=("--dry-run",),
    ),
    "SELECT on the sequence": Lacking(
        "REVOKE SELECT ON SEQUENCE p_id_seq FROM {role}", "GRANT SELECT ON SEQUENCE public.p_id_seq TO {role}"
    ),
    "UPDATE on the sequence": Lacking(
        "REVOKE UPDATE ON SEQUENCE p_id_seq FROM {role}", "GRANT UPDATE ON SEQUENCE public.p_id_seq TO {role}"
    ),
    "all on the sequence": Lacking(
        "REVOKE ALL ON SEQUENCE p_id_seq FROM {role}", "GRANT SELECT, UPDATE ON SEQUENCE public.p_id_seq TO {role}"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NAMED)
def test_a_missing_right_is_named_with_its_grant_before_any_row_moves(
    database: Database, role: str, source: Path, tmp_path: Path, commands: Commands, case: str
) -> None:
    lacking, names = NAMED[case], {"role": role, "database": value(database, "SELECT current_database()")}
    execute(database, *(grant.format(**names) for grant in lacking.given), lacking.taken.format(**names))
    before = state(database)
    done = commands.load(source, url_as(database, role), tmp_path / "report", *lacking.options)
    assert (done.code, len(done.err.splitlines())) == (1, 1), done.err
    remedy = lacking.remedy.format(**names)
    assert f"The role {role} lacks rights in the target; nothing was committed. Its owner can give them: {remedy}." in (
        done.err
    )
    assert state(database) == before
    execute(database, remedy)
    again = commands.load(source, url_as(database, role), tmp_path / "report", *lacking.options)
    assert again.code == 0, again.err


def test_all_missing_rights_are_named_at_once(
    database: Database, role: str, source: Path, tmp_path: Path, commands: Commands
) -> None:
    done = commands.load(source, url_as(database, role), tmp_path / "report")
    execute(database, *re.findall(r"GRANT [^;]+ TO \w+", done.err))
    assert commands.load(source, url_as(database, role), tmp_path / "again").code == 0


CAREFUL = {
    "to lock: neither UPDATE nor DELETE nor TRUNCATE": (*ALL, "REVOKE UPDATE ON p, c FROM {role}"),
    "ownership of the tables": ALL,
    "ownership of one table": (*ALL, "ALTER TABLE c OWNER TO {role}", "GRANT CREATE ON SCHEMA public TO {role}"),
    "CREATE on the schema, for the index": (*OWNER, "REVOKE CREATE ON SCHEMA public FROM {role}"),
    "REFERENCES on the parent": (*OWNER, "ALTER TABLE p OWNER TO postgres", *ALL),
    "SELECT as such, but on every column": (
        *OWNER,
        "REVOKE SELECT ON c FROM {role}",
        "GRANT SELECT (id, p) ON c TO {role}",
    ),
}


@pytest.mark.parametrize("case", CAREFUL)
def test_without_these_rights_the_load_works_all_the_same(
    database: Database, role: str, source: Path, tmp_path: Path, commands: Commands, case: str
) -> None:
    owner = value(database, "SELECT current_user")
    execute(database, *(grant.format(role=role).replace("TO postgres", f"TO {owner}") for grant in CAREFUL[case]))
    before = state(database)
    done = commands.load(source, url_as(database, role), tmp_path / "report")
    assert (done.code, done.err) == (0, "")
    assert {name: value(database, f"SELECT count(*) FROM {name}") for name in FAMILY} == FAMILY
    after = state(database)
    assert (after["constraints"], after["indexes"]) == (before["constraints"], before["indexes"])
    assert value(database, "SELECT nextval('p_id_seq')") == 3


def test_missing_tables_cannot_be_created_without_the_right_to(
    database: Database, role: str, source: Path, tmp_path: Path, commands: Commands
) -> None:
    """Those of the 20 tables, and one of another source."""
    make_sqlite(source, "CREATE TABLE more (id INTEGER PRIMARY KEY)", "INSERT INTO more VALUES (1)")
    sample = tmp_path / "sample.db"
    make_sample(sample)
    execute(database, *(grant.format(role=role) for grant in ALL), "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    before = state(database)
    for file, needed in (
        (source, "permission denied for schema public. Nothing was committed. Needed is GRANT CREATE ON SCHEMA"),
        (sample, "permission denied for schema public. Nothing was committed. Needed are GRANT CREATE ON SCHEMA"),
    ):
        done = commands.load(file, url_as(database, role), tmp_path / "report", "--create-schema")
        assert (done.code, len(done.err.splitlines())) == (1, 1)
        assert needed in done.err
        assert state(database) == before
    execute(database, f"GRANT CREATE ON SCHEMA public TO {role}")
    for file in (source, sample):
        assert commands.load(file, url_as(database, role), tmp_path / "report", "--create-schema").code == 0
    assert value(database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 23


def test_a_missing_table_may_not_refer_to_somebody_elses(
    database: Database, role: str, tmp_path: Path, commands: Commands
) -> None:
    source = tmp_path / "sample.db"
    make_sample(source)
    execute(database, "CREATE TABLE users (id text PRIMARY KEY)", f"GRANT CREATE ON SCHEMA public TO {role}")
    before = state(database)
    done = commands.load(source, url_as(database, role), tmp_path / "report", "--create-schema")
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert "permission denied for table users. Nothing was committed. Needed are" in done.err
    assert "GRANT REFERENCES" in done.err
    assert state(database) == before


def test_only_an_owner_adds_columns(
    database: Database, role: str, source: Path, tmp_path: Path, commands: Commands
) -> None:
    make_sqlite(source, "ALTER TABLE p ADD COLUMN w", "UPDATE p SET w = 'x'")
    execute(database, *(grant.format(role=role) for grant in ALL))
    before = state(database)
    done = commands.load(source, url_as(database, role), tmp_path / "report", "--extra-columns", "add")
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert f"Only the owner of a table can add columns to it, and {role} does not own p." in done.err
    assert state(database) == before
    dropped = commands.load(source, url_as(database, role), tmp_path / "report", "--extra-columns", "drop")
    assert dropped.code == 0


def test_a_comparison_needs_the_right_to_read_and_no_other(
    database: Database, role: str, source: Path, tmp_path: Path, commands: Commands
) -> None:
    execute(database, f"REVOKE TEMPORARY ON DATABASE {value(database, 'SELECT current_database()')} FROM PUBLIC")
    done = commands.reconcile(source, url_as(database, role), tmp_path / "report")
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert f"GRANT SELECT ON public.c, public.p TO {role}." in done.err
    execute(database, *re.findall(r"GRANT [^;]+ TO \w+", done.err))
    assert commands.reconcile(source, url_as(database, role), tmp_path / "again").code == 3
    with connected(database, role) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM p")


def test_rights_are_given_word_for_word_for_odd_names(
    server: Server, database: Database, tmp_path: Path, commands: Commands
) -> None:
    name = f'Odd "Role" {secrets.token_hex(4)}'
    quoted = '"' + name.replace('"', '""') + '"'
    server.execute(f"CREATE ROLE {quoted}")
    try:
        execute(database, 'CREATE TABLE "a; DROP" (id serial PRIMARY KEY)')
        source = make_sqlite(tmp_path / "odd.db", 'CREATE TABLE "a; DROP" (id INTEGER PRIMARY KEY)')
        make_sqlite(source, 'INSERT INTO "a; DROP" VALUES (1)')
        url = url_as(database) + f"&options=-c%20role%3D{name.replace(' ', '%5C%20').replace(chr(34), '%22')}"
        done = commands.load(source, url, tmp_path / "report")
        assert (done.code, len(done.err.splitlines())) == (1, 1)
        execute(database, done.err.partition("give them: ")[2].strip().removesuffix("."))
        assert commands.load(source, url, tmp_path / "report").code == 0
        assert query(database, 'SELECT id FROM "a; DROP"') == [(1,)]
    finally:
        execute(database, f"DROP OWNED BY {quoted} CASCADE")
        server.execute(f"DROP ROLE {quoted}")
