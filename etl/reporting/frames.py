"""A report as DataFrames, for notebooks: what `report.json` holds in lists, with dtypes that count and sort."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import TYPE_CHECKING, get_args, get_type_hints

import pandas as pd

from etl.core.name_map import NamePair
from etl.core.proposal import Choice, NotCarried
from etl.core.redaction import is_secret
from etl.core.text import counted
from etl.reporting.shown_frame import ShownFrame
from etl.reporting.values import example_text, excerpts, key_text

if TYPE_CHECKING:
    from etl.core import report as kinds
    from etl.core.report import ReportData

CHANGES = (
    "matched_rows",
    "inserted_rows",
    "updated_rows",
    "kept_rows",
    "rejected_rows",
    "unaccounted_rows",
)
OUTCOMES = ("loaded_rows", "present_rows", "rejected_rows", "unaccounted_rows")
COUNTS = (
    "table",
    "source_rows",
    "target_rows_before",
    "target_rows_after",
    "matched_rows",
    "different_rows",
    "missing_rows",
    "extra_rows",
    "settled",
)
DIFFERENCE_COLUMNS = ("table", "key", "column", "kind", "source", "storage", "target")
_DTYPES = {bool: "bool", int: "int64", float: "float64", str: "str"}
_NULLABLE = {bool: "boolean", int: "Int64", float: "Float64", str: "str"}


@dataclass(frozen=True, eq=False, repr=False)
class ReportFrames:
    """The lists of a report, one row for each entry; column names are those of `report.json`, with `table` for a table.

    Counts are int64, or Int64 with <NA> for what was not counted; seconds float64; texts str.

    tables            the numbers of each table, and whether they are `settled`
    counts            the same, the row counts of both sides alone
    equation          of the tables that were loaded: source_rows, loaded_rows, present_rows, rejected_rows,
                      unaccounted_rows, and whether the sum holds
    changes           of the tables that a sync has brought up to the source: source_rows, matched_rows, inserted_rows,
                      updated_rows, kept_rows, rejected_rows, unaccounted_rows, and whether the sum holds; beside it
                      overruled_rows, deleted_rows, extra_rows
    sequences         sequence, table, column, last_value, next_value
    rejects           table, stage, column, reason, rows, code, file, repair, repairable_rows, examples: rejected rows
                      by fault, up to three of them as text (`read_rejects` has the rows)
    repairs           table, column, repair, rows, alone_rows, option: what would have let rejected rows in
    altered           table, column, repair, values, confirmed: values that a repair has altered, as counted by the load
                      and by the comparison
    names             table, column, target, by: every pair of names that are not exactly equal
    drift             table, column, kind, values, action, settled, code
    expectations      table, expectation, column, severity, unexpected_rows, judged_rows, success, notes, file, examples
    suites            of each table's expectations: how many there are, held, failed critically, failed as warnings
    difference_kinds  table, column, kind, rows, …: rows by what differs
    differences       a bounded sample: table, key, column, kind, source, storage, target, as a person may see them
                      (`read_differences` has all)
    choices           of a created schema, what is other than declared: kind, table, column, declared, became, reason,
                      values, of_values, example, row, ways_out
    not_carried       of the source's schema: kind, table, name, sql, reason, rows
    unvalidated       constraints that rows break: table, name, kind, declared, rows
    timings           stage, seconds
    """

    tables: pd.DataFrame = field(repr=False)
    counts: pd.DataFrame = field(repr=False)
    equation: pd.DataFrame = field(repr=False)
    changes: pd.DataFrame = field(repr=False)
    sequences: pd.DataFrame = field(repr=False)
    rejects: pd.DataFrame = field(repr=False)
    repairs: pd.DataFrame = field(repr=False)
    altered: pd.DataFrame = field(repr=False)
    names: pd.DataFrame = field(repr=False)
    drift: pd.DataFrame = field(repr=False)
    expectations: pd.DataFrame = field(repr=False)
    suites: pd.DataFrame = field(repr=False)
    difference_kinds: pd.DataFrame = field(repr=False)
    differences: pd.DataFrame = field(repr=False)
    choices: pd.DataFrame = field(repr=False)
    not_carried: pd.DataFrame = field(repr=False)
    unvalidated: pd.DataFrame = field(repr=False)
    timings: pd.DataFrame = field(repr=False)

    def __repr__(self) -> str:
        """Each frame with its rows and columns."""
        width = max(len(item.name) for item in fields(self))
        return "\n".join(
            f"{item.name:<{width}}  {counted(len(frame), 'row'):>10}: {', '.join(frame.columns)}"
            for item in fields(self)
            for frame in [getattr(self, item.name)]
        )


def frames_of(report: "ReportData") -> ReportFrames:
    """The frames of a report."""
    from etl.core import report as kinds  # here, since a report makes its frames

    schema = report.schema
    tables = _frame(kinds.TableReport, report.tables).rename(columns={"name": "table"})
    tables["settled"] = pd.Series([table.settled for table in report.tables], dtype="bool")
    expectations = _with_examples(kinds.ExpectationReport, report.expectations)
    return ReportFrames(
        tables=tables,
        counts=tables[list(COUNTS)].copy(),
        equation=_equation(tables, "loaded_rows", OUTCOMES),
        changes=_equation(tables, "inserted_rows", CHANGES, beside=("overruled_rows", "deleted_rows", "extra_rows")),
        sequences=_frame(kinds.SequenceReport, report.sequences),
        rejects=_with_examples(kinds.RejectGroup, report.rejects),
        repairs=_frame(kinds.HelpfulRepair, report.helpful),
        altered=_frame(kinds.AlteredReport, report.altered),
        names=_frame(NamePair, report.names),
        drift=_frame(kinds.DriftReport, report.drift),
        expectations=expectations,
        suites=_suites(expectations),
        difference_kinds=_frame(kinds.DifferenceTotal, report.difference_kinds),
        differences=differences_frame(report.differences),
        choices=_frame(Choice, schema.choices if schema else ()),
        not_carried=_frame(NotCarried, schema.not_carried if schema else ()),
        unvalidated=_frame(kinds.Unvalidated, schema.unvalidated if schema else ()),
        timings=ShownFrame(
            {
                "stage": pd.Series(list(report.timings), dtype="str"),
                "seconds": pd.Series(list(report.timings.values()), dtype="float64"),
            }
        ),
    )


def differences_frame(differences: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Differences as a person may see them: in one line, the surroundings of what differs, secrets hidden."""
    return ShownFrame([_shown(item) for item in differences], columns=list(DIFFERENCE_COLUMNS), dtype="str")


def _shown(item: Mapping[str, object]) -> tuple[str | None, ...]:
    column = None if item["column"] is None else str(item["column"])
    masked_as = next(
        (str(name) for name in (item.get("target_column"), column) if name and is_secret(str(name))), column
    )
    source, target = excerpts(item["source"], item["target"], column=masked_as, row_lacking=column is None)
    key = key_text(item["key"], rowid=item.get("rowid"))
    storage = None if item.get("storage") is None else str(item["storage"])
    return str(item["table"]), key, column, str(item["kind"]), str(source), storage, str(target)


def _equation(tables: pd.DataFrame, decides: str, parts: Sequence[str], beside: Sequence[str] = ()) -> pd.DataFrame:
    """Of the tables whose count `decides` was made; the `parts` add up to the source's rows."""
    counted = tables[tables[decides].notna()]
    equation = counted[["table", "source_rows", *parts, *beside]].reset_index(drop=True)
    sums = equation[list(parts)].sum(axis=1)
    equation["holds"] = ((equation["source_rows"] == sums) & (equation["unaccounted_rows"] == 0)).astype("bool")
    return equation


def _suites(expectations: pd.DataFrame) -> pd.DataFrame:
    failed, critical = ~expectations["success"], expectations["severity"] == "critical"
    counted = expectations.assign(
        expectations=1, held=~failed, failed_critical=failed & critical, failed_warning=failed & ~critical
    )
    counts = ["expectations", "held", "failed_critical", "failed_warning"]
    return counted.groupby("table", sort=False)[counts].sum().astype("int64").reset_index()


def _with_examples(
    kind: type, items: "Sequence[kinds.RejectGroup] | Sequence[kinds.ExpectationReport]"
) -> pd.DataFrame:
    frame = _frame(kind, items, without="examples")
    frame["examples"] = pd.Series(["; ".join(map(example_text, item.examples)) for item in items], dtype="str")
    return frame


def _frame(kind: type, items: Sequence[object], *, without: str = "") -> pd.DataFrame:
    """A row for each dataclass instance, the dtypes from the types of its fields; `without` one of them."""
    hints = get_type_hints(kind)
    dtypes = {item.name: _dtype(hints[item.name]) for item in fields(kind) if item.name != without}
    records = [tuple(_plain(getattr(item, name)) for name in dtypes) for item in items]
    return ShownFrame(records, columns=list(dtypes), dtype=object).astype(dtypes)


def _dtype(hint: object) -> str:
    options = [option for option in get_args(hint) if option is not type(None)]
    base = options[0] if options else hint
    kind = str if isinstance(base, type) and issubclass(base, Enum) else base
    return (_NULLABLE if options else _DTYPES)[kind]  # type: ignore[index]


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else value
