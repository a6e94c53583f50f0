"""The plan: which table goes where, in which order, and what the two schemas do not agree on. No database is needed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from etl.core.drift import Drift, DriftAction, DriftKind
from etl.core.errors import DriftError, UsageError
from etl.core.plan import ExtraColumns, Plan
from etl.core.source_tables import SourceColumn, SourceTable
from etl.core.tables import ForeignKey, TargetColumn, TargetTable, UniqueKey
from etl.core.types import named_type
from etl.planning.declared_types import added_type
from etl.planning.plan import make_plan


def source_table(name: str, columns: Sequence[str] = ("id",), rows: int = 3) -> SourceTable:
    return SourceTable(name, tuple(SourceColumn(c, "TEXT", False, 0) for c in columns), rows, 10, "rowid", None)


def column(
    name: str, sql: str = "text", *, not_null: bool = False, default: bool = False, generated: bool = False
) -> TargetColumn:
    return TargetColumn(name, named_type(sql), not_null, default, generated, False, None)


def target_table(
    name: str,
    columns: Sequence[str | TargetColumn] = ("id",),
    *,
    parents: Sequence[str] = (),
    key: Sequence[str] = (),
    uniques: Sequence[Sequence[str]] = (),
) -> TargetTable:
    """A table with foreign keys to `parents`."""
    return TargetTable(
        schema="public",
        name=name,
        oid=1,
        columns=tuple(c if isinstance(c, TargetColumn) else column(c) for c in columns),
        primary_key=UniqueKey(f"{name}_pkey", tuple(key)) if key else None,
        uniques=tuple(UniqueKey(f"{name}_{'_'.join(names)}_key", tuple(names)) for names in uniques),
        has_other_uniques=False,
        foreign_keys=tuple(
            ForeignKey(f"{name}_{parent}_fkey", ("id",), "public", parent, ("id",), False, False, "", True)
            for parent in parents
        ),
        checks=(),
        indexes=(),
        has_triggers=False,
        row_security=False,
        owned=True,
        ordinary=True,
        lockable=True,
    )


def plan(
    source: Sequence[SourceTable],
    target: Sequence[TargetTable],
    *,
    values: Mapping[str, int] | None = None,
    only: Sequence[str] = (),
    extra_columns: ExtraColumns = ExtraColumns.STOP,
) -> Plan:
    """The plan where each column holds as many values as `values` says, 0 for others."""
    return make_plan(
        {table.name: table for table in source},
        {table.name: table for table in target},
        lambda _table, name: (values or {}).get(name, 0),
        only=only,
        extra_columns=extra_columns,
    )


def order(references: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Groups of table names in the order of the load, for tables with these parents."""
    made = plan(
        [source_table(name) for name in references],
        [target_table(name, parents=parents) for name, parents in references.items()],
    )
    return [[table.name for table in group] for group in made.groups]


# -- order --------------------------------------------------------------------------------------------------------

ORDERS: list[tuple[dict[str, list[str]], list[list[str]]]] = [
    ({"a": [], "b": []}, [["a"], ["b"]]),
    ({"child": ["parent"], "parent": []}, [["parent"], ["child"]]),
    ({"c": ["b"], "b": ["a"], "a": []}, [["a"], ["b"], ["c"]]),
    ({"d": ["b", "c"], "c": ["a"], "b": ["a"], "a": []}, [["a"], ["b"], ["c"], ["d"]]),
    ({"tree": ["tree"], "leaf": ["tree"]}, [["tree"], ["leaf"]]),
    ({"x": ["y"], "y": ["x"]}, [["x", "y"]]),
    (
        {"below": ["x"], "x": ["y"], "y": ["z"], "z": ["x", "above"], "above": []},
        [["above"], ["x", "y", "z"], ["below"]],
    ),
    ({"a": ["b"], "b": ["a"], "c": ["d", "a"], "d": ["c"]}, [["a", "b"], ["c", "d"]]),
    ({"a": ["elsewhere"]}, [["a"]]),
]


@pytest.mark.parametrize(("references", "expected"), ORDERS)
def test_parents_come_before_children_and_circles_together(
    references: dict[str, list[str]], expected: list[list[str]]
) -> None:
    assert [sorted(group) for group in order(references)] == expected


def test_a_long_chain_is_ordered() -> None:
    names = [f"t{n:03}" for n in range(300)]
    chain = {name: names[n + 1 : n + 2] for n, name in enumerate(names)}
    assert order(chain) == [[name] for name in reversed(names)]


# -- names --------------------------------------------------------------------------------------------------------

NAMES: list[tuple[list[str], list[str], dict[str, str]]] = [
    (["a", "b"], ["b", "a"], {"a": "a", "b": "b"}),
    (["userId"], ["userId"], {"userId": "userId"}),
    (["UserId"], ["userid"], {"UserId": "userid"}),
    (["userid"], ["USERID"], {"userid": "USERID"}),
    (["a", "A"], ["a", "A"], {"a": "a", "A": "A"}),
    (["a"], ["a", "A"], {"a": "a"}),
    (["a b", 'q"', "p%s", "文"], ["文", "p%s", 'q"', "a b"], {"a b": "a b", 'q"': 'q"', "p%s": "p%s", "文": "文"}),
]


@pytest.mark.parametrize(("source", "target", "expected"), NAMES)
@pytest.mark.parametrize("what", ["columns", "tables"])
def test_names_match_exactly_and_else_but_for_case(
    source: list[str], target: list[str], expected: dict[str, str], what: str
) -> None:
    if what == "columns":
        made = plan([source_table("t", source)], [target_table("t", target)])
        pairs = {item.source: item.target for item in made.tables[0].columns}
    else:
        made = plan([source_table(name) for name in source], [target_table(name) for name in target])
        pairs = {table.source.name: table.target.name for table in made.tables}
    assert pairs == expected


@pytest.mark.parametrize(("source", "target"), [(["Id"], ["id", "ID"]), (["Id", "iD"], ["id"])])
@pytest.mark.parametrize("what", ["columns", "tables"])
def test_ambiguous_names_are_for_the_user_to_decide(source: list[str], target: list[str], what: str) -> None:
    columns = [source_table("t", source)], [target_table("t", target)]
    tables = [source_table(name) for name in source], [target_table(name) for name in target]
    with pytest.raises(DriftError, match=r"'Id' could be any of .*'id'.*rename one") as caught:
        plan(*(columns if what == "columns" else tables))
    assert caught.value.exit_code == 1


# -- which tables -------------------------------------------------------------------------------------------------


def test_tables_of_one_side_only_are_listed_not_planned() -> None:
    made = plan([source_table("both"), source_table("old", rows=7)], [target_table("both"), target_table("new")])
    assert [table.name for table in made.tables] == ["both"]
    assert [table.name for table in made.not_migrated] == ["old"]
    assert made.missing_in_source == ("new",)
    assert made.drift == (
        Drift("old", None, DriftKind.TABLE_MISSING_IN_TARGET, 7, DriftAction.NOT_MIGRATED),
        Drift("new", None, DriftKind.TABLE_MISSING_IN_SOURCE, None, DriftAction.SKIPPED),
    )


@pytest.mark.parametrize("extra", [ExtraColumns.DROP, ExtraColumns.STOP, ExtraColumns.ADD])
def test_a_table_without_a_common_column_is_not_migrated(extra: ExtraColumns) -> None:
    made = plan([source_table("t", ["a"], rows=7)], [target_table("t", ["b"])], extra_columns=extra)
    assert made.tables == ()
    assert [table.name for table in made.not_migrated] == ["t"]
    assert Drift("t", None, DriftKind.NO_COMMON_COLUMN, 7, DriftAction.NOT_MIGRATED) in made.drift


def test_only_the_tables_asked_for() -> None:
    tables = ["a", "b", "c"]
    made = plan([source_table(n) for n in tables], [target_table(n) for n in tables], only=["c", "a"])
    assert sorted(table.name for table in made.tables) == ["a", "c"]
    assert made.drift == ()


def test_an_unknown_table_is_a_usage_error_that_names_the_known_ones() -> None:
    with pytest.raises(
        UsageError, match=r"has a table 'usres' \(did you mean 'users'\?\), 'x'\. There is: users, logs"
    ) as caught:
        plan([source_table("users"), source_table("logs")], [target_table("users")], only=["users", "usres", "x"])
    assert caught.value.exit_code == 2


# -- drift of columns ---------------------------------------------------------------------------------------------

EXTRA = [source_table("t", ["id", "tier", "note"], rows=9)]


def test_an_extra_column_with_values_stops_and_is_named_with_their_number() -> None:
    with pytest.raises(DriftError) as caught:
        plan(EXTRA, [target_table("t")], values={"tier": 7, "note": 1234})
    message = str(caught.value)
    assert "t.tier (7 values in 9 rows)" in message
    assert "t.note (1,234 values in 9 rows)" in message
    assert "--extra-columns add" in message
    assert "--extra-columns drop" in message
    assert "Nothing was written" in message


@pytest.mark.parametrize(
    ("extra_columns", "action"),
    [(ExtraColumns.ADD, "added"), (ExtraColumns.DROP, "left behind, values kept in dropped/")],
)
def test_an_extra_column_can_be_added_or_dropped(extra_columns: ExtraColumns, action: str) -> None:
    made = plan(EXTRA, [target_table("t")], values={"tier": 7}, extra_columns=extra_columns)
    assert [(item.table, item.column, item.kind, item.values, item.action) for item in made.drift] == [
        ("t", "tier", "column_missing_in_target", 7, action),
        ("t", "note", "column_missing_in_target", 0, "ignored: it holds no value"),
    ]
    assert made.tables[0].dropped == ("tier",)
    assert made.tables[0].source_columns == ("id", "tier")


def test_an_extra_column_without_values_is_no_reason_to_stop() -> None:
    made = plan(EXTRA, [target_table("t")])
    assert [drift.action for drift in made.drift] == ["ignored: it holds no value"] * 2
    assert made.tables[0].source_columns == ("id",)


MISSING: list[tuple[TargetColumn, str | None]] = [
    (column("more"), "stays NULL"),
    (column("more", default=True), "takes the target's default"),
    (column("more", not_null=True, default=True), "takes the target's default"),
    (column("more", generated=True), None),
]


@pytest.mark.parametrize(("more", "action"), MISSING)
def test_a_column_that_the_source_lacks(more: TargetColumn, action: str | None) -> None:
    made = plan([source_table("t")], [target_table("t", ["id", more])])
    assert [drift.action for drift in made.drift] == ([action] if action else [])
    assert [item.target for item in made.tables[0].columns] == ["id"]


def test_a_required_column_that_the_source_lacks_stops() -> None:
    with pytest.raises(DriftError, match=r"t\.more: required by the target without a default") as caught:
        plan([source_table("t")], [target_table("t", ["id", column("more", not_null=True)])])
    assert "--extra-columns" not in str(caught.value)


def test_an_empty_table_lacks_nothing() -> None:
    made = plan([source_table("t", rows=0)], [target_table("t", ["id", column("more", not_null=True)])])
    assert [table.name for table in made.tables] == ["t"]


def test_both_kinds_of_trouble_are_told_at_once() -> None:
    with pytest.raises(DriftError) as caught:
        plan(EXTRA, [target_table("t", ["id", column("more", not_null=True)])], values={"tier": 7})
    assert "t.tier (7 values" in str(caught.value)
    assert "t.more: required" in str(caught.value)


@pytest.mark.parametrize(("values", "compared"), [(0, ["id"]), (2, ["id", "sum"])])
def test_what_the_target_computes_is_not_written_but_compared(values: int, compared: list[str]) -> None:
    target = target_table("t", ["id", column("sum", generated=True)])
    made = plan([source_table("t", ["id", "sum"])], [target], values={"sum": values})
    assert [item.target for item in made.tables[0].columns] == ["id"]
    assert [item.target for item in made.tables[0].compared.columns] == compared
    (drift,) = made.drift
    assert (drift.column, drift.kind, drift.values) == ("sum", "generated_in_target", values)
    assert ("the comparison looks at both" in drift.action) == bool(values)


# -- keys ---------------------------------------------------------------------------------------------------------

NEEDED = [column("a", not_null=True), column("b", not_null=True), column("c")]
KEYS: list[tuple[list[str], list[list[str]], list[str], list[str]]] = [
    (["a"], [], ["a", "b", "c"], ["a"]),
    (["b", "a"], [], ["a", "b", "c"], ["b", "a"]),
    ([], [["c"], ["a", "b"]], ["a", "b", "c"], ["a", "b"]),  # c may be NULL
    (["a"], [["b"]], ["b", "c"], ["b"]),  # the source lacks a
    ([], [], ["a", "b", "c"], []),
    ([], [["c"]], ["a", "b", "c"], []),
]


@pytest.mark.parametrize(("key", "uniques", "columns", "expected"), KEYS)
def test_what_identifies_a_row(
    key: list[str], uniques: list[list[str]], columns: list[str], expected: list[str]
) -> None:
    table = target_table("t", [replace(c, has_default=True) for c in NEEDED], key=key, uniques=uniques)
    made = plan([source_table("t", columns)], [table])
    assert [item.source for item in made.tables[0].key] == expected


# -- added columns, display ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("INTEGER", "bigint"),
        ("int", "bigint"),
        ("DECIMAL(10, 2)", "numeric"),
        ("VARCHAR(20)", "text"),
        ("", "text"),
        ("DOUBLE PRECISION", "double precision"),
        ("BLOB", "bytea"),
        ("BOOLEAN", "boolean"),
        ("DATETIME", "timestamptz"),
        ("JSON", "jsonb"),
        ("whatever", "text"),
    ],
)
def test_the_type_of_an_added_column_follows_its_declaration(declared: str, expected: str) -> None:
    assert added_type(declared) == expected


def test_a_plan_prints_and_displays_its_tables_in_order() -> None:
    tables = [source_table("child", ["<id>"], rows=1234), source_table("parent")]
    made = plan(tables, [target_table("child", ["<id>"], parents=["parent"]), target_table("parent")])
    assert str(made).splitlines() == ["parent: 3 rows, id → text", "child: 1,234 rows, <id> → text"]
    shown = made._repr_html_()
    assert shown.index("parent") < shown.index("child")
    assert "&lt;id&gt; text" in shown
