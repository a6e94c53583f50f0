"""Whatever the source and the target are: the books close, what was loaded is right, what was not has a reason.

The expectations come from an independent reading of both sides (`any_value`), not from the product's code.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from support.any_database import COMPUTED, AnyDatabase, Column, Table, databases, make_source, make_target, unfit
from support.any_value import Cell
from support.both_sides import Sides, matched, source_rows, target_tables
from support.database import Database, Server, fresh_database
from support.loads import load
from support.targets import connected, state

from etl.core.errors import DriftError, EtlError
from etl.reporting.report import Report


@pytest.fixture(scope="module")
def playground(server: Server) -> Iterator[Database]:
    """One database for all examples; each makes its schema anew."""
    with fresh_database(server) as found:
        yield found


@given(databases())
def test_any_database_closes_its_books(playground: Database, example: AnyDatabase) -> None:
    """Dry run, load and second run of any database."""
    with tempfile.TemporaryDirectory() as folder:
        check(playground, example, Path(folder))


def one_table(*columns: Column, rows: list[tuple[Cell, ...]], extra_columns: str = "drop", **more: Any) -> AnyDatabase:
    """A database of the table "t"."""
    return AnyDatabase((Table("t", columns, tuple(rows), target="t", **more),), extra_columns)


def plain(name: str, type_: str, *, target: bool = True) -> Column:
    """A column that SQLite knows no type of."""
    return Column(name, "", type_, name if target else None)


COMPUTED_B = ((COMPUTED, 1, 1),)
FOUND = {
    "no column in common": one_table(plain("a", "text", target=False), rows=[(1,)]),
    "no column in common, nothing stored": one_table(plain("a", "text", target=False), rows=[]),
    "columns named as the staging table's once were": one_table(
        plain("etl_row__", "jsonb"), plain("etl_rowid__", "text"), rows=[("{}", "a"), ("[", "b")], target_key=(1,)
    ),
    "dollars in the name of a type": one_table(plain("a", '"mo$$d {} %s"'), rows=[("happy",), ("none",)]),
    "a name of 64 bytes to be added": one_table(
        plain("a", "text"), plain("x" * 64, "text", target=False), rows=[(1, 1)], extra_columns="add"
    ),
    "a name of 64 bytes beside one of 63": one_table(
        *(plain("a", "text"), plain("x" * 63, "text"), plain("x" * 64, "text", target=False)),
        rows=[(1, 1, 1)],
        extra_columns="add",
    ),
    "an empty name to be added": one_table(
        plain("a", "text"), plain("", "text", target=False), rows=[(1, 1)], extra_columns="add"
    ),
    "a system column's name to be added": one_table(
        plain("a", "text"), plain("ctid", "text", target=False), rows=[(1, 1)], extra_columns="add"
    ),
    "an empty text in a domain": one_table(plain("a", "present"), rows=[("",), ("a",)]),
    "an empty text in a domain as the key": one_table(plain("a", "present"), rows=[("",), ("a",)], target_key=(0,)),
    "two NULLs where one is allowed": one_table(
        *(plain("a", "integer"), plain("b", "text")),
        rows=[(1, None), (2, None), (3, "x")],
        target_key=(0,),
        rules=(("ALTER TABLE {t} ADD UNIQUE NULLS NOT DISTINCT ({c})", 1, 0),),
    ),
    "one NULL allowed in a column that the source lacks": one_table(
        *(plain("a", "bigint"), Column("x" * 64, "", "boolean", "x" * 63)),
        rows=[(1, 0), (2, 0), (3, 1)],
        target_key=(0,),
        rules=(("ALTER TABLE {t} ADD UNIQUE NULLS NOT DISTINCT ({c})", 1, 0),),
    ),
    "infinity as a text, beside a key": one_table(
        *(plain("a", "integer"), plain("b", "text"), plain("c", "char(4)")),
        rows=[(1, float("inf"), float("-inf"))],
        target_key=(0,),
    ),
    "orphans in a table that numbers its rows itself": AnyDatabase(
        (
            Table("p", (plain("a", "text"),), (("x",),), target="p", target_key=(0,)),
            Table(
                "t",
                (plain("a", "text"),),
                (("y",), ("z",)),
                target="t",
                rules=(('ALTER TABLE {t} ADD "serial" serial', 0, 0),),
                references=((0, 0, ""),),
            ),
        )
    ),
    "words for the day of the load": one_table(
        plain("a", "date"), plain("b", "time"), rows=[("today", "10:30"), ("2024-01-01", "Now"), ("epoch", "allballs")]
    ),
    "a column that the target computes otherwise, beside a key": one_table(
        *(plain("a", "integer"), plain("b", "text")),
        rows=[(1, 2), (2, 3), (3, None)],
        target_key=(0,),
        rules=COMPUTED_B,
    ),
    "a column that the target computes otherwise, without a key": one_table(
        *(plain("a", "integer"), plain("b", "text")), rows=[(1, 2), (1, 3), (1, "x")], rules=COMPUTED_B
    ),
    "a column that the target computes, and no other": one_table(
        plain("b", "text"), rows=[(2,), (3,)], rules=((COMPUTED, 0, 0),)
    ),
    "refused by the conversion and by the target at once": one_table(
        plain("a", "integer"), plain("b", "text"), rows=[("x", "a"), (1, None)] * 3, target_key=(1,)
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_databases_that_once_failed(playground: Database, tmp_path: Path, name: str) -> None:
    check(playground, FOUND[name], tmp_path)


def check(database: Database, example: AnyDatabase, folder: Path) -> None:
    """The whole promise, for one example."""
    path = folder / "any.db"
    make_source(example, path)
    with connected(database) as connection:
        connection.cursor().execute("SET TimeZone = 'UTC'")
        make_target(example, connection, lambda table: list(map(list, source_rows(path, table.name))))
        pairs, doubtful = matched([table.name for table in example.tables], target_tables(connection))
        sides = [Sides(connection, path, table.name, pairs.get(table.name)) for table in example.tables]
        connection.rollback()
        before = state(database)
        legitimate = ["could be any of"] if doubtful else reasons_to_refuse(sides, example.extra_columns)
        forecast = attempt(database, example, path, folder / "dry", dry_run=True)
        assert state(database) == before, "a dry run changed the target"
        report = attempt(database, example, path, folder / "run")
        if isinstance(report, EtlError):
            assert isinstance(report, DriftError), report
            assert any(reason in str(report) for reason in legitimate), (legitimate, report)
            assert str(forecast).replace(str(folder / "dry"), "") == str(report).replace(str(folder / "run"), "")
            assert state(database) == before, "a refused run changed the target"
            return
        assert not legitimate, f"loaded although: {legitimate}"
        assert isinstance(forecast, Report), forecast
        if example.extra_columns == "add":
            for side in sides:
                side.columns_were_added()
        arrived = [side.check(report) for side in sides]
        assert report.exit_code == (0 if all(arrived) else 3)
        check_forecast(forecast, report)
        connection.rollback()
        check_again(database, example, path, folder / "again", report)


def attempt(
    database: Database, example: AnyDatabase, path: Path, folder: Path, *, dry_run: bool = False
) -> Report | EtlError:
    """A run, or why it was refused."""
    try:
        return load(
            database,
            path,
            folder,
            dry_run=dry_run,
            extra_columns=example.extra_columns,
            keep_constraints=example.keep_constraints,
            batch_rows=example.batch_rows,
        )
    except EtlError as error:
        return error


def check_forecast(forecast: Report, report: Report) -> None:
    """A dry run says what the load then does."""
    for expected, found in zip(forecast.tables, report.tables, strict=True):
        for count in ("source_rows", "loaded_rows", "present_rows", "present_different_rows", "rejected_rows"):
            assert getattr(expected, count) == getattr(found, count), (count, expected, found)


def check_again(database: Database, example: AnyDatabase, path: Path, folder: Path, first: Report) -> None:
    """A second run finds everything there."""
    before = settled_state(database)
    second = attempt(database, example, path, folder)
    assert isinstance(second, Report), second
    for one, other in zip(first.tables, second.tables, strict=True):
        assert other.loaded_rows in (0, None), other
        assert other.rejected_rows == one.rejected_rows
        assert not other.unaccounted_rows
    assert settled_state(database) == before, "a second run changed the target"


def settled_state(database: Database) -> dict[str, object]:
    """The target without the sequences of columns that it alone has: PostgreSQL does not give their numbers back where
    a row is refused."""
    return {name: found for name, found in state(database).items() if not name.strip('"').endswith("_serial_seq")}


# -- why a run may be refused --------------------------------------------------------------------------------------


def reasons_to_refuse(sides: list[Sides], extra_columns: str) -> list[str]:
    """Words of the messages with which a load of these may, and must, be refused."""
    reasons: list[str] = []
    here = [side for side in sides if side.target is not None]
    if not any(side.types or (extra_columns == "add" and any(map(side.holds_values, side.names))) for side in here):
        reasons = ["is it the right database?", "tables can be matched", "The target has no tables"]
    for side in here:
        if side.doubtful:
            reasons.append("could be any of")
        extra = [name for name in side.names if name not in side.pairs and side.holds_values(name)]
        if extra and extra_columns == "stop":
            reasons.append("columns with values that the target lacks")
        if extra_columns == "add" and any(map(unfit, extra)):
            reasons.append("PostgreSQL cannot have columns of these names")
        given = set(side.pairs.values())
        required = [c for c in side.columns if c.not_null and not (c.has_default or c.computed or c.name in given)]
        if required and side.rows:
            reasons.append("requires columns that the source lacks")
    return reasons
