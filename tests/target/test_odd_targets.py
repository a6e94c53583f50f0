"""Targets that are more than plain tables: each is filled, or refused with the reason, never passed over in silence.

Triggers, types and unique keys that only judge single rows are in `test_staging.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.database import Database
from support.loads import books, load, rejects, table_report
from support.sources import make_sqlite
from support.targets import contents, execute, query, state, url_as, value

import etl
from etl.console.compare import ReconcileConsole
from etl.console.load import ConsoleObserver
from etl.core.errors import DriftError, TargetError
from etl.core.report import DriftReport
from etl.reporting.markdown import render_markdown
from etl.reporting.report import Report

KEYED = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, w INTEGER)"
THREE = [KEYED, "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 1), (3, 'a', 2)"]
TARGET = "CREATE TABLE t (id integer PRIMARY KEY, v text, w integer)"
ALL = ["(1,a,1)", "(2,b,1)", "(3,a,2)"]
MORE = ["CREATE TABLE more (id INTEGER PRIMARY KEY)", "INSERT INTO more VALUES (1)"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three rows in `t`, and one in `more`."""
    return make_sqlite(tmp_path / "source.db", *THREE, *MORE)


def drift_of(report: Report, kind: str) -> list[DriftReport]:
    return [item for item in report.drift if item.kind == kind]


def version(database: Database) -> int:
    return int(value(database, "SHOW server_version_num"))


def reconciled(database: Database, source: Path, folder: Path, role: str | None = None) -> Report:
    return etl.compare(source, url_as(database, role), report_folder=folder)


# -- what is no table ---------------------------------------------------------------------------------------------

NO_TABLES = {
    "a view": ["CREATE TABLE below (id integer, v text, w integer)", "CREATE VIEW t AS SELECT * FROM below"],
    "a view with triggers": [
        "CREATE TABLE below (id integer, v text, w integer)",
        "CREATE VIEW t AS SELECT * FROM below",
        (
            "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN INSERT INTO below VALUES (NEW.*); RETURN NEW; END $$"
        ),
        "CREATE TRIGGER act INSTEAD OF INSERT ON t FOR EACH ROW EXECUTE FUNCTION act()",
    ],
    "a materialized view": ["CREATE MATERIALIZED VIEW t AS SELECT 1 AS id, 'x' AS v, 2 AS w"],
    "a partition": [
        "CREATE TABLE whole (id integer, v text, w integer) PARTITION BY LIST (w)",
        "CREATE TABLE t PARTITION OF whole DEFAULT",
    ],
    "a sequence": ["CREATE SEQUENCE t"],
    "a composite type": ["CREATE TYPE t AS (id integer)"],
    "an index": ["CREATE TABLE other (id integer)", "CREATE INDEX t ON other (id)"],
}


@pytest.mark.parametrize("case", NO_TABLES)
def test_what_bears_the_name_and_is_no_table_is_named(
    database: Database, source: Path, tmp_path: Path, case: str
) -> None:
    execute(database, "CREATE TABLE more (id integer PRIMARY KEY)", *NO_TABLES[case])
    before = state(database)
    done = load(database, source, tmp_path / "report", create_schema=False)
    what = case.removesuffix(" with triggers")
    (item,) = drift_of(done, "not_a_table")
    assert (item.table, item.values, item.action) == ("t", 3, f"not migrated: in the target this is {what}")
    assert done.exit_code == 3
    assert books(done)["more"] == (1, 1, 0, 0)
    assert what in render_markdown(done)
    with pytest.raises(DriftError, match=f"t: no table in the target; not migrated: in the target this is {what}"):
        load(database, source, tmp_path / "alone", tables=("t",))
    assert reconciled(database, source, tmp_path / "again").exit_code == 3
    execute(database, "TRUNCATE more")
    assert state(database) == before


def test_a_foreign_table_is_named(database: Database, source: Path, tmp_path: Path) -> None:
    if not value(database, "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'"):
        pytest.skip("this PostgreSQL comes without postgres_fdw")
    execute(
        database,
        "CREATE EXTENSION postgres_fdw",
        "CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw",
        "CREATE FOREIGN TABLE t (id integer, v text, w integer) SERVER elsewhere",
        "CREATE TABLE more (id integer PRIMARY KEY)",
    )
    done = load(database, source, tmp_path / "report")
    assert drift_of(done, "not_a_table")[0].action.endswith("a foreign table")


def test_a_table_without_a_common_column_is_left_out(database: Database, source: Path, tmp_path: Path) -> None:
    make_sqlite(
        source,
        "CREATE TABLE bare (a)",
        "INSERT INTO bare VALUES (NULL), (NULL)",
        "CREATE TABLE bare_and_empty (a)",
    )
    execute(database, TARGET, "CREATE TABLE bare ()", "CREATE TABLE bare_and_empty (b integer)")
    done = load(database, source, tmp_path / "report")
    assert [(item.table, item.values) for item in drift_of(done, "no_common_column")] == [
        ("bare", 2),
        ("bare_and_empty", 0),
    ]
    assert done.exit_code == 3
    assert contents(database, "t", "bare_and_empty") == {"t": ALL, "bare_and_empty": []}


def test_columns_are_added_below_views(database: Database, source: Path, tmp_path: Path) -> None:
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY, v text)", "CREATE VIEW seen AS SELECT id, v FROM t")
    done = load(database, source, tmp_path / "report", tables=("t",), extra_columns="add")
    assert done.exit_code == 0
    assert contents(database, "t")["t"] == ALL
    assert query(database, "SELECT * FROM seen ORDER BY 1") == [(1, "a"), (2, "b"), (3, "a")]


# -- tables of a special kind -------------------------------------------------------------------------------------


def test_a_table_and_one_that_inherits_from_it_are_not_loaded_together(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "source.db", *THREE, "CREATE TABLE child (id, v, w)", "INSERT INTO child VALUES (1, 'x', 1)"
    )
    execute(database, TARGET, "CREATE TABLE between () INHERITS (t)", "CREATE TABLE child () INHERITS (between)")
    before = state(database)
    for attempt in (load, lambda *arguments: reconciled(*arguments)):
        with pytest.raises(DriftError, match=r"child inherits from t.*--tables"):
            attempt(database, source, tmp_path / "report")
    assert state(database) == before
    done = load(database, source, tmp_path / "child", tables=("child",))
    assert (done.exit_code, contents(database, "child")) == (0, {"child": ["(1,x,1)"]})


def test_an_unlogged_table_is_loaded_and_named(database: Database, source: Path, tmp_path: Path) -> None:
    execute(database, TARGET.replace("TABLE", "UNLOGGED TABLE"), "CREATE INDEX ON t (v)")
    done = load(database, source, tmp_path / "report", tables=("t",))
    assert (done.exit_code, [item.table for item in drift_of(done, "unlogged")]) == (0, ["t"])
    assert contents(database, "t")["t"] == ALL
    assert "ALTER TABLE … SET LOGGED" in render_markdown(done)


def test_publications_statistics_and_identities_survive(database: Database, source: Path, tmp_path: Path) -> None:
    execute(
        database,
        TARGET,
        "CREATE INDEX i ON t (v)",
        "CREATE STATISTICS s ON v, w FROM t",
        "ALTER TABLE t REPLICA IDENTITY FULL",
        "CREATE PUBLICATION p FOR TABLE t",
    )
    kept = (
        "SELECT pg_get_statisticsobjdef(oid), (SELECT relreplident::text FROM pg_class WHERE oid = 't'::regclass), "
        "ARRAY(SELECT tablename::text FROM pg_publication_tables) FROM pg_statistic_ext"
    )
    before = query(database, kept)
    assert load(database, source, tmp_path / "report", tables=("t",)).exit_code == 0
    assert query(database, kept) == before
    assert contents(database, "t")["t"] == ALL


def test_constraints_that_are_not_enforced_bind_nobody(database: Database, source: Path, tmp_path: Path) -> None:
    if version(database) < 180_000:
        pytest.skip("PostgreSQL 18 brought it")
    execute(
        database,
        "CREATE TABLE p (id integer PRIMARY KEY)",
        "CREATE TABLE t (id integer PRIMARY KEY, v text CHECK (v <> 'a') NOT ENFORCED, "
        "w integer REFERENCES p NOT ENFORCED)",
    )
    before = state(database)
    assert load(database, source, tmp_path / "report", tables=("t",)).exit_code == 0
    assert contents(database, "t")["t"] == ALL
    assert state(database)["constraints"] == before["constraints"]


# -- rules and event triggers -------------------------------------------------------------------------------------

RULES = {
    "instead": "CREATE RULE odd AS ON INSERT TO t WHERE NEW.w = 2 DO INSTEAD NOTHING",
    "also": "CREATE RULE odd AS ON INSERT TO t DO ALSO INSERT INTO other VALUES (NEW.id)",
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("rows", [0, 1])
def test_rules_stop_the_load_beforehand(database: Database, source: Path, tmp_path: Path, rule: str, rows: int) -> None:
    """Whether COPY would have passed them over or INSERT would have stumbled."""
    execute(database, TARGET, "CREATE TABLE other (id integer)", RULES[rule])
    execute(database, "ALTER TABLE t DISABLE RULE odd", *["INSERT INTO t VALUES (9, 'z', 9)"] * rows)
    execute(database, "ALTER TABLE t ENABLE RULE odd")
    before = state(database)
    for dry_run in (True, False):
        with pytest.raises(DriftError, match=r"rules.*t \(odd\).*DISABLE RULE"):
            load(database, source, tmp_path / "report", tables=("t",), dry_run=dry_run)
    assert state(database) == before
    assert reconciled(database, source, tmp_path / "compared").exit_code == 3
    execute(database, "ALTER TABLE t DISABLE RULE odd")
    assert load(database, source, tmp_path / "report", tables=("t",)).exit_code == 0
    assert set(ALL) <= set(contents(database, "t")["t"])


def test_rules_on_updates_do_not_matter(database: Database, source: Path, tmp_path: Path) -> None:
    execute(database, TARGET, "INSERT INTO t VALUES (2, 'b', 1)", "CREATE RULE r AS ON UPDATE TO t DO INSTEAD NOTHING")
    done = load(database, source, tmp_path / "report", tables=("t",))
    assert (books(done)["t"], done.exit_code) == ((3, 2, 1, 0), 0)


@pytest.mark.parametrize("dry_run", [False, True])
def test_an_event_trigger_that_objects_is_heard(
    database: Database, source: Path, tmp_path: Path, dry_run: bool
) -> None:
    execute(
        database,
        TARGET,
        "CREATE INDEX ON t (v)",
        "CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no changes today'; END $$",
        "CREATE EVENT TRIGGER no ON ddl_command_start EXECUTE FUNCTION no()",
    )
    before = state(database)
    with pytest.raises(TargetError, match="PostgreSQL refused a step of the load: no changes today"):
        load(database, source, tmp_path / "report", tables=("t",), dry_run=dry_run)
    assert state(database) == before


def test_a_type_that_the_server_was_built_without_is_named(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(tmp_path / "source.db", "CREATE TABLE t (id, v)", "INSERT INTO t VALUES (1, '<a/>')")
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY, v xml)")
    with_xml = "SELECT count(*) FROM pg_config WHERE name = 'CONFIGURE' AND setting LIKE '%--with-libxml%'"
    if value(database, with_xml):
        assert load(database, source, tmp_path / "report").exit_code == 0
        return
    with pytest.raises(TargetError, match=r"column t\.v \(xml\) cannot be filled: unsupported XML feature"):
        load(database, source, tmp_path / "report")


# -- triggers whose doing only the comparison can find ------------------------------------------------------------


@dataclass(frozen=True)
class Doing:
    """What a trigger does; rows of `t` then loaded, matched, different, missing and extra."""

    body: str
    event: str
    counts: tuple[int, int, int, int, int]


DOINGS = {
    "changes a value": Doing("NEW.v := NEW.v || ' '; RETURN NEW;", "BEFORE INSERT ON t FOR EACH ROW", (3, 0, 3, 0, 0)),
    "changes the key": Doing("NEW.id := -NEW.id; RETURN NEW;", "BEFORE INSERT ON t FOR EACH ROW", (3, 0, 0, 3, 3)),
    "deletes afterwards": Doing(
        "DELETE FROM t WHERE w = 2; RETURN NULL;", "AFTER INSERT ON t FOR EACH STATEMENT", (3, 2, 0, 1, 0)
    ),
    "adds a row": Doing(
        "INSERT INTO t VALUES (9, 'z', 9); RETURN NULL;",
        "AFTER INSERT ON t FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0)",
        (3, 3, 0, 0, 1),
    ),
    "writes when another table is loaded": Doing(
        "INSERT INTO t VALUES (7, 'log', 0); RETURN NULL;", "AFTER INSERT ON u FOR EACH ROW", (3, 3, 0, 0, 1)
    ),
}


@pytest.mark.parametrize("case", DOINGS)
def test_the_comparison_finds_what_a_trigger_does(database: Database, tmp_path: Path, case: str) -> None:
    doing = DOINGS[case]
    source = make_sqlite(
        tmp_path / "source.db", *THREE, "CREATE TABLE u (id INTEGER PRIMARY KEY)", "INSERT INTO u VALUES (1)"
    )
    execute(
        database,
        TARGET,
        "CREATE TABLE u (id integer PRIMARY KEY)",
        f"CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {doing.body} END $$",
        f"CREATE TRIGGER act {doing.event} EXECUTE FUNCTION act()",
    )
    done = load(database, source, tmp_path / "report")
    table = table_report(done, "t")
    found = (table.loaded_rows, table.matched_rows, table.different_rows, table.missing_rows, table.extra_rows)
    assert found == doing.counts
    assert (done.exit_code, table.unaccounted_rows, table.extra_present_rows) == (3, 0, 0)


# -- columns that the target computes -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["STORED", "VIRTUAL"])
@pytest.mark.parametrize("key", ["PRIMARY KEY", ""])
def test_what_the_target_computes_is_compared(database: Database, tmp_path: Path, how: str, key: str) -> None:
    if how == "VIRTUAL" and version(database) < 180_000:
        pytest.skip("PostgreSQL 18 brought it")
    source = make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE t (id INTEGER, twice INTEGER)",
        "INSERT INTO t VALUES (1, 2), (2, 4), (3, 7), (4, NULL)",
    )
    execute(database, f"CREATE TABLE t (id integer {key}, twice integer GENERATED ALWAYS AS (id * 2) {how})")
    done = load(database, source, tmp_path / "report")
    assert books(done)["t"] == (4, 4, 0, 0)
    (item,) = drift_of(done, "generated_in_target")
    assert (item.column, item.values) == ("twice", 3)
    assert contents(database, "t")["t"] == ["(1,2)", "(2,4)", "(3,6)", "(4,8)"]
    for report in (done, reconciled(database, source, tmp_path / "again")):
        table = table_report(report, "t")
        found = (table.matched_rows, table.different_rows, table.missing_rows, table.extra_rows)
        assert found == ((2, 2, 0, 0) if key else (2, 0, 2, 2))
        assert report.exit_code == 3
        if key:
            assert {(one["column"], one["source"], one["target"]) for one in report.differences} == {
                ("twice", 7, "6"),
                ("twice", None, "8"),
            }
    assert books(load(database, source, tmp_path / "third"))["t"] == (4, 0, 4, 0)


# -- sequences ----------------------------------------------------------------------------------------------------

SEQUENCES = {
    "that no column owns": (["CREATE SEQUENCE s", "CREATE TABLE t (id integer PRIMARY KEY DEFAULT nextval('s'))"], 4),
    "in another schema": (
        [
            'CREATE SCHEMA "O.dd"',
            'CREATE SEQUENCE "O.dd"."S"',
            """CREATE TABLE t (id integer PRIMARY KEY DEFAULT nextval('"O.dd"."S"'))""",
        ],
        4,
    ),
    "that counts down": (
        [
            "CREATE TABLE t (id serial PRIMARY KEY)",
            "ALTER SEQUENCE t_id_seq INCREMENT -1 MINVALUE -9 MAXVALUE 9 START 5",
        ],
        0,
    ),
    "that counts in steps": (["CREATE TABLE t (id serial PRIMARY KEY)", "ALTER SEQUENCE t_id_seq INCREMENT 10"], 13),
}


@pytest.mark.parametrize("case", SEQUENCES)
def test_the_next_id_of_a_sequence_is_free(database: Database, source: Path, tmp_path: Path, case: str) -> None:
    statements, following = SEQUENCES[case]
    execute(database, *statements, "ALTER TABLE t ADD v text, ADD w integer")
    done = load(database, source, tmp_path / "report", tables=("t",))
    assert [item.next_value for item in done.sequences] == [following]
    assert value(database, "INSERT INTO t (v) VALUES ('next') RETURNING id") == following
    assert done.exit_code == 0


def test_a_sequence_that_a_text_owns_is_let_alone(database: Database, source: Path, tmp_path: Path) -> None:
    execute(
        database,
        "CREATE TABLE t (id text PRIMARY KEY, v text, w integer)",
        "CREATE SEQUENCE s OWNED BY t.id",
        "ALTER TABLE t ALTER id SET DEFAULT 'T-' || nextval('s')",
    )
    done = load(database, source, tmp_path / "report", tables=("t",))
    assert (done.exit_code, done.sequences) == (0, ())
    assert value(database, "SELECT last_value FROM s") == 1


# -- row-level security -------------------------------------------------------------------------------------------

POLICIES = "ALTER TABLE t ENABLE ROW LEVEL SECURITY"
SEES_ONES = "CREATE POLICY seen ON t FOR SELECT USING (w = 1)"
INSERTS = "CREATE POLICY fills ON t FOR INSERT WITH CHECK (true)"


def test_hidden_rows_are_warned_of(
    database: Database, source: Path, tmp_path: Path, role: str, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(database, TARGET, f"GRANT SELECT ON t TO {role}", POLICIES, SEES_ONES)
    assert load(database, source, tmp_path / "owner", tables=("t",)).exit_code == 0  # the owner sees all
    console = ReconcileConsole(quiet=False, verbose=False, json_only=False, no_color=True)
    shown = etl.compare(source, url_as(database, role), report_folder=tmp_path / "report", observer=console)
    assert "⚠️  t: row-level security is in force; rows that it hides" in capsys.readouterr().out
    table = table_report(shown, "t")
    assert (table.matched_rows, table.missing_rows) == (2, 1)
    (item,) = drift_of(shown, "row_security")
    assert "hides from the connected role" in item.action
    assert "Row-level security is in force" in render_markdown(shown)
    assert not drift_of(reconciled(database, source, tmp_path / "again"), "row_security")


def test_a_policy_that_hides_rows_does_not_hide_their_fate(
    database: Database, source: Path, tmp_path: Path, role: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Row 3 is loaded, but not seen afterwards; one that stands in the way unseen is told by the server itself."""
    execute(database, TARGET, f"GRANT SELECT, INSERT ON t TO {role}", "INSERT INTO t VALUES (2, 'own', 5)")
    execute(database, POLICIES, SEES_ONES, INSERTS)
    with ConsoleObserver(dry_run=False, quiet=False, verbose=False, json_only=False, no_color=True) as console:
        done = load(database, source, tmp_path / "report", role=role, tables=("t",), observer=console)
    assert "⚠️  t: row-level security is in force; rows that it hides" in capsys.readouterr().out
    assert books(done)["t"] == (3, 2, 0, 1)
    (line,) = rejects(done, "t")
    assert (line["row_number"], line["reason"][:8]) == (2, "blocked:")
    assert table_report(done, "t").missing_rows == 1
    assert (done.exit_code, len(drift_of(done, "row_security"))) == (3, 1)
    assert contents(database, "t")["t"] == ["(1,a,1)", "(2,own,5)", "(3,a,2)"]


def test_policies_can_bind_the_owner(database: Database, source: Path, tmp_path: Path, role: str) -> None:
    execute(
        database,
        TARGET,
        f"ALTER TABLE t OWNER TO {role}",
        f"GRANT CREATE, USAGE ON SCHEMA public TO {role}",
        POLICIES,
        "ALTER TABLE t FORCE ROW LEVEL SECURITY",
        "CREATE POLICY seen ON t USING (true) WITH CHECK (w = 1)",
    )
    done = load(database, source, tmp_path / "report", role=role, tables=("t",))
    assert books(done)["t"] == (3, 2, 0, 1)
    assert "row-level security" in rejects(done, "t")[0]["reason"]
    assert len(drift_of(done, "row_security")) == 1
    execute(database, "ALTER TABLE t NO FORCE ROW LEVEL SECURITY")
    done = load(database, source, tmp_path / "free", role=role, tables=("t",))
    assert (books(done)["t"], done.drift, done.exit_code) == ((3, 1, 2, 0), (), 0)


# -- references that cannot wait ----------------------------------------------------------------------------------

TREE_ROWS = "(1, 3, 'a'), (2, 2, 'b'), (3, NULL, 'c'), (4, 1, 'd'), (5, 6, 'e'), (6, 5, 'f'), (7, 4, 'g')"
TREE = ["CREATE TABLE t (id INTEGER PRIMARY KEY, up INTEGER, v TEXT)", f"INSERT INTO t VALUES {TREE_ROWS}"]
TREE_TARGET = "CREATE TABLE t (id integer PRIMARY KEY, up integer REFERENCES t, v text)"
FOLDED = "CREATE UNIQUE INDEX folded ON t (lower(v))"  # which only the insert can judge


def test_a_tree_of_somebody_else_is_loaded(database: Database, tmp_path: Path, role: str) -> None:
    """One statement brings them all, circles as well."""
    execute(database, TREE_TARGET, f"GRANT SELECT, INSERT ON t TO {role}")
    done = load(database, make_sqlite(tmp_path / "source.db", *TREE), tmp_path / "report", role=role)
    assert (books(done)["t"], done.exit_code) == ((7, 7, 0, 0), 0)


def test_a_tree_of_somebody_else_is_loaded_around_its_bad_rows(database: Database, tmp_path: Path, role: str) -> None:
    """Children that come before their parents, below a row that only the insert can judge."""
    source = make_sqlite(
        tmp_path / "source.db", *TREE, "INSERT INTO t VALUES (8, 9, 'h'), (9, 1, 'A'), (10, 11, 'k'), (11, 3, 'l')"
    )
    execute(database, TREE_TARGET, FOLDED, f"GRANT SELECT, INSERT ON t TO {role}")
    done = load(database, source, tmp_path / "report", role=role)
    assert books(done)["t"] == (11, 9, 0, 2)
    assert [(line["row_number"], line["reason"].split(":")[0]) for line in rejects(done, "t")] == [
        (8, "foreign key t_up_fkey"),
        (9, "blocked"),
    ]
    assert rejects(done, "t")[0]["reason"].endswith("its parent in t (id = 9) was rejected")
    assert value(database, "SELECT count(*) FROM t") == 9


CIRCLE = [
    "CREATE TABLE a (id integer PRIMARY KEY, b integer)",
    "CREATE TABLE b (id integer PRIMARY KEY, a integer NOT NULL REFERENCES a)",
    "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b",
]
CIRCLE_ROWS = [
    "CREATE TABLE a (id INTEGER PRIMARY KEY, b INTEGER)",
    "CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER)",
    "INSERT INTO a VALUES (1, 1), (2, NULL), (3, 3), (4, 1), (5, 9), (6, 7)",
    "INSERT INTO b VALUES (1, 2), (3, 3), (7, 4), (8, 5)",
]


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_circle_of_tables_of_somebody_else(database: Database, tmp_path: Path, role: str, deferrable: bool) -> None:
    """Rows come wave by wave; those that wait for each other in turn are refused for just that."""
    source = make_sqlite(tmp_path / "source.db", *CIRCLE_ROWS)
    execute(database, *CIRCLE, f"GRANT SELECT, INSERT ON a, b TO {role}")
    if deferrable:
        execute(
            database,
            "ALTER TABLE a ALTER CONSTRAINT a_b_fkey DEFERRABLE",
            "ALTER TABLE b ALTER CONSTRAINT b_a_fkey DEFERRABLE",
        )
    done = load(database, source, tmp_path / "report", role=role)
    lost = [("a", 5, "a_b_fkey: b has no row with id = 9"), ("b", 4, "b_a_fkey: its parent in a")]
    if not deferrable:
        lost += [("a", 3, "its parent waits for it in turn"), ("b", 2, "its parent waits for it in turn")]
    found = [(name, line["row_number"], line["reason"]) for name in ("a", "b") for line in rejects(done, name)]
    assert [item[:2] for item in found] == sorted(item[:2] for item in lost)
    for (_, _, reason), (_, _, expected) in zip(found, sorted(lost), strict=True):
        assert expected in reason
    assert contents(database, "a", "b") == {
        "a": ["(1,1)", "(2,)", *([] if not deferrable else ["(3,3)"]), "(4,1)", "(6,7)"],
        "b": ["(1,2)", *([] if not deferrable else ["(3,3)"]), "(7,4)"],
    }


def test_references_into_other_schemas(database: Database, tmp_path: Path) -> None:
    """The parents there were loaded by somebody else; orphans are found, actions stay as they were."""
    execute(
        database,
        "CREATE SCHEMA far",
        "CREATE TABLE far.p (x integer, y integer, PRIMARY KEY (x, y))",
        "INSERT INTO far.p VALUES (1, 1)",
        "CREATE TABLE t (id integer PRIMARY KEY, x integer, y integer, FOREIGN KEY (x, y) REFERENCES far.p "
        "MATCH FULL ON DELETE CASCADE ON UPDATE SET NULL)",
    )
    source = make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, x INTEGER, y INTEGER)",
        "INSERT INTO t VALUES (1, 1, 1), (2, 1, 2), (3, NULL, 1), (4, NULL, NULL)",
    )
    before = state(database)
    done = load(database, source, tmp_path / "report")
    assert [line["row_number"] for line in rejects(done, "t")] == [2, 3]
    assert contents(database, "t")["t"] == ["(1,1,1)", "(4,,)"]
    assert state(database)["constraints"] == before["constraints"]


def test_keys_are_checked_even_where_the_session_replicates(database: Database, tmp_path: Path) -> None:
    """`session_replication_role` silences the server's own foreign keys and triggers, not our judgement."""
    execute(
        database,
        "CREATE TABLE p (id integer PRIMARY KEY)",
        "CREATE TABLE c (id integer PRIMARY KEY, p integer REFERENCES p)",
        "INSERT INTO c VALUES (9, NULL)",
    )
    source = make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE p (id INTEGER PRIMARY KEY)",
        "INSERT INTO p VALUES (1)",
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER)",
        "INSERT INTO c VALUES (1, 1), (2, 5)",
    )
    url = f"{database.url}&options=-csession_replication_role%3Dreplica"
    done = etl.migrate(source, url, validate=False, report_folder=tmp_path / "report")
    assert books(done) == {"c": (2, 1, 0, 1), "p": (1, 1, 0, 0)}
    assert value(database, "SELECT count(*) FROM c WHERE p = 5") == 0


# -- collations, extensions ---------------------------------------------------------------------------------------


def test_texts_that_a_collation_takes_for_equal(database: Database, tmp_path: Path) -> None:
    if not value(database, "SELECT count(*) FROM pg_collation WHERE collname = 'und-x-icu'"):
        pytest.skip("this PostgreSQL was built without ICU")
    execute(
        database,
        "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "CREATE TABLE p (id text COLLATE ci PRIMARY KEY, v text COLLATE ci UNIQUE)",
        "CREATE TABLE c (id integer PRIMARY KEY, p text COLLATE ci REFERENCES p)",
    )
    source = make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE p (id TEXT PRIMARY KEY, v TEXT)",
        "INSERT INTO p VALUES ('a', 'x'), ('A', 'y'), ('b', 'X'), ('c', 'z')",
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p TEXT)",
        "INSERT INTO c VALUES (1, 'A'), (2, 'C'), (3, 'd')",
    )
    forecast = load(database, source, tmp_path / "forecast", dry_run=True)
    done = load(database, source, tmp_path / "report")
    assert books(done) == books(forecast) == {"p": (4, 2, 0, 2), "c": (3, 2, 0, 1)}
    assert contents(database, "p", "c") == {"p": ["(a,x)", "(c,z)"], "c": ["(1,A)", "(2,C)"]}
    assert [line["row_number"] for line in rejects(done, "p")] == [2, 3]
    assert books(load(database, source, tmp_path / "again"))["p"] == (4, 0, 2, 2)


def test_citext_and_hstore(database: Database, tmp_path: Path) -> None:
    """The extensions live in a schema of their own, outside of the search_path."""
    available = "SELECT count(*) FROM pg_available_extensions WHERE name IN ('citext', 'hstore')"
    if value(database, available) < 2:
        pytest.skip("this PostgreSQL comes without them")
    execute(
        database,
        "CREATE SCHEMA extensions",
        "CREATE EXTENSION citext SCHEMA extensions",
        "CREATE EXTENSION hstore SCHEMA extensions",
        "CREATE TABLE t (id integer PRIMARY KEY, v extensions.citext UNIQUE, w extensions.hstore)",
    )
    source = make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, w TEXT)",
        "INSERT INTO t VALUES (1, 'Ada', 'a=>1'), (2, 'ADA', NULL), (3, 'Bob', 'b'), (4, 'bob', NULL)",
    )
    done = load(database, source, tmp_path / "report")
    assert books(done)["t"] == (4, 2, 0, 2)
    assert [(line["row_number"], line["column"]) for line in rejects(done, "t")] == [(2, "v"), (3, "w")]
    assert contents(database, "t")["t"] == ['(1,Ada,"""a""=>""1""")', "(4,bob,)"]
    assert books(load(database, source, tmp_path / "again"))["t"] == (4, 0, 2, 2)


# -- a role that may only read ------------------------------------------------------------------------------------


@pytest.fixture
def read_only(database: Database, role: str) -> Callable[[], str]:
    """To be called when the tables are there: a role with CONNECT, USAGE and SELECT, and nothing else."""

    def grant() -> str:
        name = value(database, "SELECT current_database()")
        execute(
            database,
            f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC',
            f'GRANT CONNECT ON DATABASE "{name}" TO {role}',
            "REVOKE ALL ON SCHEMA public FROM PUBLIC",
            f"GRANT USAGE ON SCHEMA public TO {role}",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
            f"ALTER ROLE {role} SET default_transaction_read_only = on",
        )
        options = f"-c role={role} -c default_transaction_read_only=on"
        return f"{database.url}&options={options.replace(' ', '%20').replace('=', '%3D')}"

    return grant


def test_a_role_that_may_only_read_can_compare(
    database: Database, tmp_path: Path, read_only: Callable[[], str]
) -> None:
    """Every way of the comparison: ordinary keys, keys that PostgreSQL is asked to spell, no key, questions."""
    source = make_sqlite(
        tmp_path / "source.db",
        *THREE,
        "CREATE TABLE k (at TEXT PRIMARY KEY, doc TEXT)",
        "INSERT INTO k VALUES ('2024-01-01', '{\"a\": 1.0}'), ('2024-01-02', '[]')",
        "CREATE TABLE n (a, m)",
        "INSERT INTO n VALUES (1, 'sad'), (1, 'sad'), (2, NULL)",
    )
    execute(
        database,
        TARGET,
        "CREATE TABLE k (at date PRIMARY KEY, doc jsonb)",
        "CREATE TYPE mood AS ENUM ('sad')",
        "CREATE TABLE n (a integer, m mood)",
    )
    load(database, source, tmp_path / "load")
    url = read_only()
    before = state(database)
    done = etl.compare(source, url, report_folder=tmp_path / "report")
    assert (done.exit_code, done.total("matched_rows")) == (0, 8)
    execute(database, "UPDATE n SET m = 'sad'", "DELETE FROM t WHERE id = 2")
    again = etl.compare(source, url, report_folder=tmp_path / "again")
    assert (again.exit_code, again.total("missing_rows"), again.total("extra_rows")) == (3, 2, 1)
    assert state(database).keys() == before.keys()


REFUSALS = {
    "load": ({}, r"GRANT INSERT ON public\.t TO .*; GRANT TEMPORARY ON DATABASE"),
    "dry run": ({"dry_run": True}, "GRANT TEMPORARY ON DATABASE"),
    "create": ({"create_schema": True}, r"GRANT INSERT ON public\.t TO"),  # it is there already
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_role_that_may_only_read_hears_why_it_cannot_load(
    database: Database, source: Path, tmp_path: Path, role: str, read_only: Callable[[], str], case: str
) -> None:
    options, message = REFUSALS[case]
    execute(database, TARGET)
    url = read_only()
    before = state(database)
    for target, expected in (
        (url_as(database, role), message),
        (url, "lets this role read only"),
    ):
        with pytest.raises(TargetError, match=expected) as caught:
            etl.migrate(source, target, tables=("t",), validate=False, report_folder=tmp_path / "report", **options)
        assert "\n" not in str(caught.value)
    assert state(database) == before
    assert [table.name for table in etl.plan(source, url, tables=("t",)).tables] == ["t"]


def test_a_table_that_may_not_be_read_is_named(database: Database, source: Path, tmp_path: Path, role: str) -> None:
    execute(database, TARGET, "CREATE TABLE more (id integer PRIMARY KEY)", f"GRANT SELECT ON more TO {role}")
    with pytest.raises(TargetError, match=r"GRANT SELECT ON public\.t TO"):
        reconciled(database, source, tmp_path / "report", role)
    assert reconciled(database, source, tmp_path / "report").exit_code == 3
