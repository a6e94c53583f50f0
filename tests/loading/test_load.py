"""The load: the public `to_sql` method, and that the fast way and the careful one leave the same target behind."""

import datetime
import secrets
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg2
import pytest
from support.database import Database, Server, fresh_database
from support.loads import books, load, rejects
from support.sources import make_sqlite, series
from support.targets import contents, execute, query, state, value

import etl
from etl.sample.build import make_sample
from etl.schema.unified import TABLE_NAMES, create_missing

# -- to_sql -------------------------------------------------------------------------------------------------------


def append(
    database: Database, frame: pd.DataFrame, table: str = "t", *, chunksize: int | None = None, index: bool = False
) -> int | None:
    """`to_sql` with the method, in a transaction; what it returns."""
    with database.engine().begin() as connection:
        return frame.to_sql(
            table,
            connection,
            if_exists="append",
            index=index,
            chunksize=chunksize,
            method=etl.insert_ignoring_conflicts,
        )


PEOPLE = pd.DataFrame({"id": [1, 2, 3, 4], "name": ["Ann", "", None, "Dan"]})


@pytest.mark.parametrize("chunksize", [None, 1, 3, 4, 100])
def test_conflicts_are_ignored_and_the_server_counts(database: Database, chunksize: int | None) -> None:
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY, name text)", "INSERT INTO t VALUES (2, 'before')")
    assert append(database, PEOPLE, chunksize=chunksize) == 3
    assert query(database, "SELECT * FROM t ORDER BY id") == [(1, "Ann"), (2, "before"), (3, None), (4, "Dan")]
    assert append(database, PEOPLE, chunksize=chunksize) == 0
    assert value(database, "SELECT count(*) FROM t") == 4


def test_empty_text_and_null_stay_apart(database: Database) -> None:
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY, name text)")
    append(database, PEOPLE)
    assert query(database, "SELECT id, name IS NULL, name = '' FROM t WHERE id IN (2, 3) ORDER BY 1") == [
        (2, False, True),
        (3, True, None),
    ]


@pytest.mark.parametrize("chunksize", [None, 1])
def test_the_index_may_be_a_column(database: Database, chunksize: int | None) -> None:
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY, name text)")
    assert append(database, PEOPLE.set_index("id"), chunksize=chunksize, index=True) == 4
    assert query(database, "SELECT name FROM t ORDER BY id") == [("Ann",), ("",), (None,), ("Dan",)]


@pytest.mark.parametrize("chunksize", [None, 1])
def test_an_identity_that_is_always_generated_takes_the_frames_ids(database: Database, chunksize: int | None) -> None:
    execute(database, "CREATE TABLE t (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text)")
    assert append(database, PEOPLE, chunksize=chunksize) == 4
    assert value(database, "SELECT max(id) FROM t") == 4


@pytest.mark.parametrize("chunksize", [None, 1])
def test_values_of_many_types_arrive_as_they_are(database: Database, chunksize: int | None) -> None:
    execute(
        database,
        "CREATE TABLE t (id bigint PRIMARY KEY, b boolean, f double precision, n numeric, d date, z timestamptz, "
        "x bytea, q text)",
    )
    utc = datetime.UTC
    row = (
        2**53 + 1,
        True,
        0.1,
        Decimal("12345678901234567890.5"),
        datetime.date(2024, 2, 29),
        datetime.datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=utc),
        b"\x00\xff",
        'a "quoted", \\N \\. \n line\t',
    )
    frame = pd.DataFrame([row], columns=["id", "b", "f", "n", "d", "z", "x", "q"])
    assert append(database, frame, chunksize=chunksize) == 1
    ((*found, raw, quoted),) = query(database, "SELECT id, b, f, n, d, z, x, q FROM t")
    assert (*found, bytes(raw), quoted) == row


def test_odd_names_and_nulls_of_every_kind(database: Database) -> None:
    execute(
        database, 'CREATE TABLE "T %s ""x""" ("a %(b)s" integer, "C{}" double precision, "d" timestamptz, "e" text)'
    )
    frame = pd.DataFrame(
        {
            "a %(b)s": pd.array([1, None], dtype="Int64"),
            "C{}": [np.nan, 1.5],
            "d": pd.to_datetime(["2024-01-01", None], utc=True),
            "e": pd.array(["x", pd.NA], dtype="string"),
        }
    )
    assert append(database, frame, 'T %s "x"') == 2
    found = query(database, 'SELECT "a %(b)s", "C{}", "d" IS NULL, "e" FROM "T %s ""x""" ORDER BY 1')
    assert found == [(1, None, False, "x"), (None, 1.5, True, None)]


@pytest.mark.parametrize("chunksize", [None, 2])
def test_a_row_that_the_table_refuses_leaves_nothing_behind(database: Database, chunksize: int | None) -> None:
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY, name text NOT NULL)")
    with pytest.raises(psycopg2.errors.NotNullViolation):
        append(database, PEOPLE, chunksize=chunksize)
    assert value(database, "SELECT count(*) FROM t") == 0


def test_an_empty_frame_inserts_nothing(database: Database) -> None:
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY, name text)")
    assert not append(database, PEOPLE[:0])


# -- fast and careful ---------------------------------------------------------------------------------------------


def create_schema(database: Database) -> None:
    with database.engine().begin() as connection:
        create_missing(connection)


@pytest.fixture
def twin(server: Server) -> Iterator[Database]:
    """A second database."""
    with fresh_database(server) as found:
        yield found


def test_both_ways_leave_the_same_target(database: Database, twin: Database, tmp_path: Path) -> None:
    make_sample(tmp_path / "demo.db")
    for target, keep_constraints in ((database, False), (twin, True)):
        create_schema(target)
        before = state(target)
        done = load(target, tmp_path / "demo.db", tmp_path / str(keep_constraints), keep_constraints=keep_constraints)
        assert done.exit_code == 0
        assert done.total("loaded_rows") == 820
        after = state(target)
        for what in ("columns", "constraints", "indexes"):
            assert after[what] == before[what]
    assert contents(database, *TABLE_NAMES) == contents(twin, *TABLE_NAMES)
    assert state(database) == state(twin)


def test_the_fast_way_was_taken_and_the_indexes_are_used_again(database: Database, tmp_path: Path) -> None:
    """An index that was built behind the rows has another file than before; with --keep-constraints it has not."""
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY, v integer)", "CREATE INDEX i ON t (v)")
    source = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (id, v)", f"INSERT INTO t {series(50, 'n, -n')}")
    file = "SELECT pg_relation_filenode('i')"
    before = value(database, file)
    load(database, source, tmp_path / "careful", keep_constraints=True)
    assert value(database, file) == before
    execute(database, "TRUNCATE t")
    before = value(database, file)
    load(database, source, tmp_path / "fast")
    assert value(database, file) != before
    assert query(database, "SET enable_seqscan = off; SELECT id FROM t WHERE v = -7") == [(7,)]


KEPT = {
    "comments": ["COMMENT ON CONSTRAINT c_p_fkey ON c IS 'why'", "COMMENT ON INDEX i IS 'what for'"],
    "not valid": [
        "ALTER TABLE c DROP CONSTRAINT c_p_fkey",
        "ALTER TABLE c ADD CONSTRAINT c_p_fkey FOREIGN KEY (p) REFERENCES p NOT VALID",
    ],
    "actions": [
        "ALTER TABLE c DROP CONSTRAINT c_p_fkey",
        'ALTER TABLE c ADD CONSTRAINT "Fk %s" FOREIGN KEY (p) REFERENCES p ON DELETE SET NULL INITIALLY DEFERRED',
    ],
    "switched off": ["ALTER TABLE c DISABLE TRIGGER ALL"],
    "clustered": ["ALTER TABLE c CLUSTER ON i"],
    "replica identity": [
        "ALTER TABLE c ALTER p SET NOT NULL",
        "CREATE UNIQUE INDEX u ON c (p, id)",
        "ALTER TABLE c REPLICA IDENTITY USING INDEX u",
    ],
    "parameters": ["CREATE INDEX j ON c (p DESC NULLS LAST) INCLUDE (id) WITH (fillfactor = 50) WHERE p > 0"],
    "expression with statistics": ["CREATE INDEX j ON c ((p + 1))", "ALTER INDEX j ALTER COLUMN 1 SET STATISTICS 500"],
    "expression without statistics": ["CREATE INDEX j ON c ((p + 1))", "ALTER INDEX j ALTER COLUMN 1 SET STATISTICS 0"],
    "goes with an extension": ["ALTER INDEX i DEPENDS ON EXTENSION plpgsql"],
    "partitions": [
        "CREATE TABLE q (id integer, p integer REFERENCES p) PARTITION BY RANGE (id)",
        "CREATE TABLE q1 PARTITION OF q DEFAULT",
        "CREATE INDEX ON q (p)",
    ],
    "a second schema": [
        "CREATE SCHEMA other",
        "CREATE TABLE other.c (p integer REFERENCES public.p)",
        "CREATE INDEX i ON other.c (p)",
    ],
}


@pytest.mark.parametrize("case", KEPT)
def test_constraints_and_indexes_are_what_they_were(database: Database, tmp_path: Path, case: str) -> None:
    execute(
        database,
        "CREATE TABLE p (id integer PRIMARY KEY)",
        "CREATE TABLE c (id integer PRIMARY KEY, p integer REFERENCES p)",
        "CREATE INDEX i ON c (p)",
        *KEPT[case],
    )
    tables = ["CREATE TABLE p (id)", "CREATE TABLE c (id, p)", "CREATE TABLE q (id, p)"]
    rows = [
        f"INSERT INTO p {series(20, 'n')}",
        f"INSERT INTO c {series(20, 'n, 21 - n')}",
        f"INSERT INTO q {series(20, 'n, n')}",
    ]
    source = make_sqlite(tmp_path / "a.db", *tables, *rows)
    before = state(database)
    done = load(database, source, tmp_path / "report")
    after = state(database)
    assert [after[what] for what in ("columns", "constraints", "indexes")] == [
        before[what] for what in ("columns", "constraints", "indexes")
    ]
    assert books(done)["c"] == (20, 20, 0, 0)


@pytest.fixture
def tablespace(server: Server) -> Iterator[str]:
    """A tablespace, in the cluster's own folder; whatever lies in it has to be gone when the test ends."""
    name = f"etl_space_{secrets.token_hex(4)}"
    allowed = Server(server.admin.update_query_dict({"options": "-c allow_in_place_tablespaces=on"}), server.embedded)
    allowed.execute(f"CREATE TABLESPACE {name} LOCATION ''")
    yield name
    server.execute(f"DROP TABLESPACE {name}")


def test_indexes_stay_in_their_tablespaces(tablespace: str, server: Server, database: Database, tmp_path: Path) -> None:
    """Wherever the role's sessions would put new ones."""
    execute(
        database,
        "CREATE TABLE t (id integer PRIMARY KEY, v integer)",
        "CREATE INDEX i ON t (v)",
        f"CREATE INDEX elsewhere ON t (v) TABLESPACE {tablespace}",
    )
    name = value(database, "SELECT current_database()")
    server.execute(f'ALTER DATABASE "{name}" SET default_tablespace = {tablespace}')
    source = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (id, v)", f"INSERT INTO t {series(20, 'n, -n')}")
    before = state(database)
    file = value(database, "SELECT pg_relation_filenode('i')")
    assert load(database, source, tmp_path / "report").exit_code == 0
    assert state(database)["indexes"] == before["indexes"]
    assert value(database, "SELECT pg_relation_filenode('i')") != file  # it was made again


def test_a_full_table_keeps_its_rows_and_takes_the_others(database: Database, tmp_path: Path) -> None:
    execute(
        database,
        "CREATE TABLE t (id integer PRIMARY KEY, name text, score real, doc jsonb)",
        """INSERT INTO t VALUES (1, 'Ann', 0.1, '{"a": 1}'), (2, 'other', NULL, NULL), (9, 'mine', 1, 'null')""",
    )
    source = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE t (id, name, score, doc)",
        """INSERT INTO t VALUES (1, 'Ann', 0.1, '{ "a":1 }'), (2, 'Bob', NULL, NULL), (3, 'Cy', 2, '[]')""",
    )
    done = load(database, source, tmp_path / "report")
    assert books(done)["t"] == (3, 1, 2, 0)
    assert done.tables[0].present_different_rows == 1
    assert (done.tables[0].target_rows_before, done.tables[0].target_rows_after) == (3, 4)
    assert done.exit_code == 3
    assert contents(database, "t")["t"] == ['(1,Ann,0.1,"{""a"": 1}")', "(2,other,,)", "(3,Cy,2,[])", "(9,mine,1,null)"]


def test_batches_make_no_difference(database: Database, tmp_path: Path) -> None:
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY, v text NOT NULL)")
    source = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE t (id, v)",
        f"INSERT INTO t {series(500, 'n, CASE n % 7 WHEN 0 THEN NULL ELSE n END')}",
    )
    done = load(database, source, tmp_path / "report", batch_rows=13)
    assert books(done)["t"] == (500, 429, 0, 71)
    assert [line["row_number"] for line in rejects(done, "t")] == list(range(7, 501, 7))
    assert query(database, "SELECT count(*), sum(id) FROM t") == [(429, 500 * 501 // 2 - 7 * 71 * 72 // 2)]


# -- rights -------------------------------------------------------------------------------------------------------


FOREIGN = [
    "CREATE TABLE p (id serial PRIMARY KEY, v text)",
    "CREATE TABLE c (id integer PRIMARY KEY, p integer REFERENCES p)",
    "CREATE INDEX i ON c (p)",
]


@pytest.fixture
def family(tmp_path: Path) -> Path:
    return make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE p (id INTEGER PRIMARY KEY, v)",
        "INSERT INTO p VALUES (1, 'a'), (2, 'b')",
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p)",
        "INSERT INTO c VALUES (1, 1), (2, 3)",
    )


def test_tables_of_somebody_else_are_loaded_with_the_rights_to_read_and_insert(
    database: Database, role: str, family: Path, tmp_path: Path
) -> None:
    execute(
        database,
        *FOREIGN,
        f"GRANT SELECT, INSERT ON p, c TO {role}",
        f"GRANT SELECT, UPDATE ON SEQUENCE p_id_seq TO {role}",
    )
    before = state(database)
    done = load(database, family, tmp_path / "report", role=role)
    assert books(done) == {"p": (2, 2, 0, 0), "c": (2, 1, 0, 1)}
    assert state(database)["constraints"] == before["constraints"]
    assert value(database, "INSERT INTO p (v) VALUES ('next') RETURNING id") == 3


def test_row_policies_reject_single_rows(database: Database, role: str, family: Path, tmp_path: Path) -> None:
    execute(
        database,
        *FOREIGN,
        f"GRANT SELECT, INSERT ON p, c TO {role}",
        f"GRANT SELECT, UPDATE ON SEQUENCE p_id_seq TO {role}",
        "ALTER TABLE p ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY seen ON p FOR SELECT TO {role} USING (true)",
        f"CREATE POLICY only_b ON p FOR INSERT TO {role} WITH CHECK (v = 'b')",
    )
    done = load(database, family, tmp_path / "report", role=role)
    assert books(done) == {"p": (2, 1, 0, 1), "c": (2, 0, 0, 2)}
    assert "row-level security" in rejects(done, "p")[0]["reason"]
    assert [line["reason"] for line in rejects(done, "c")] == [
        "foreign key c_p_fkey: its parent in p (id = 1) was rejected",
        "foreign key c_p_fkey: p has no row with id = 3, neither here nor in the target",
    ]
