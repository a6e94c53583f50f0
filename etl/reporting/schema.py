"""A proposed schema for people: as SQL, as DataFrames, and as it displays itself in Jupyter."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd

from etl.core.display import as_written
from etl.core.proposal import Proposal
from etl.core.text import counted, readable
from etl.reporting.shown_frame import ShownFrame
from etl.schema.ddl import script

_SHOWN = 200  # lines of a table in a notebook
_TEXT, _COUNT = "str", "Int64"
_EXPLAINED = ["column", "type", "could_be", "declared", "reason"]


@dataclass(frozen=True, eq=False)
class ProposedSchema:
    """A schema for a source, with the reason for each choice.

    sql          the whole schema as a script for psql, with a comment where a choice was made
    columns      table, column, name (in PostgreSQL), declared, storage (values by storage class), nulls, type, reason,
                 could_be: one row for each column
    choices      kind, table, column, declared, became, reason, values, of_values, example, row, ways_out
    not_carried  kind, table, name, sql, reason, rows

    Counts are Int64 with <NA> where nothing was counted, texts str with NaN where there is none.
    """

    proposal: Proposal
    source: str

    @property
    def sql(self) -> str:
        """The schema as a script for psql."""
        return script(self.proposal, self.source)

    @property
    def columns(self) -> pd.DataFrame:
        """Every column with its type and why it is that one."""
        rows = [
            {
                "table": table.source,
                "column": column.source,
                "name": column.name,
                "declared": column.declared,
                "storage": ", ".join(f"{count:,} {one}" for one, count in column.storage.items()),
                "nulls": column.nulls,
                "type": column.type.sql,
                "reason": column.reason,
                "could_be": column.could_be,
            }
            for table in self.proposal.tables
            for column in table.columns
        ]
        texts = ("table", "column", "name", "declared", "storage", "type", "reason", "could_be")
        return _frame(rows, {**dict.fromkeys(texts, _TEXT), "nulls": _COUNT}, [*texts[:5], "nulls", *texts[5:]])

    @property
    def choices(self) -> pd.DataFrame:
        """Where something becomes other than declared."""
        texts = ("kind", "table", "column", "declared", "became", "reason", "example", "row", "ways_out")
        counts = ("values", "of_values")
        rows = [{name: getattr(one, name) for name in (*texts, *counts)} for one in self.proposal.choices]
        return _frame(rows, {**dict.fromkeys(texts, _TEXT), **dict.fromkeys(counts, _COUNT)}, [*texts, *counts])

    @property
    def not_carried(self) -> pd.DataFrame:
        """What PostgreSQL does not get, with its SQL and the reason."""
        texts = ("kind", "table", "name", "sql", "reason")
        rows = [{name: getattr(one, name) for name in (*texts, "rows")} for one in self.proposal.not_carried]
        return _frame(rows, {**dict.fromkeys(texts, _TEXT), "rows": _COUNT}, [*texts, "rows"])

    def __repr__(self) -> str:
        return f"<ProposedSchema of {self.source}: {self._summary()}>"

    def _summary(self) -> str:
        tables = counted(len(self.proposal.tables), "table")
        lost = len(self.proposal.not_carried)
        return f"{tables}, {counted(len(self.proposal.choices), 'choice')}, {counted(lost, 'object')} not carried"

    def _repr_html_(self) -> str:
        parts = [f"<p><b>A schema for {escape(readable(self.source))}</b>: {self._summary()}</p>"]
        tables = "".join(
            f"<details><summary>{escape(readable(table))}</summary>{_grid(columns[_EXPLAINED])}</details>"
            for table, columns in self.columns.groupby("table", sort=False)
        )
        if tables:
            parts.append(
                f"<details><summary>Each column with its type, and why it is that one</summary>{tables}</details>"
            )
        if self.proposal.choices:
            parts.append("<p><b>Other than declared</b></p>")
            parts.append(_grid(self.choices[["table", "column", "declared", "became", "values", "example", "reason"]]))
        if self.proposal.not_carried:
            parts.append("<p><b>Not carried</b></p>")
            parts.append(_grid(self.not_carried[["kind", "table", "name", "reason"]]))
        return as_written("".join(parts))


def _frame(rows: Sequence[Mapping[str, object]], dtypes: Mapping[str, str], order: Iterable[str]) -> pd.DataFrame:
    names = list(order)
    frame = ShownFrame(rows, columns=names)
    return frame.astype({name: dtypes[name] for name in names})


def _grid(frame: pd.DataFrame) -> str:
    """The rows as a table; texts from the data are made visible and escaped."""
    head = "".join(f"<th style='text-align:left'>{escape(str(name))}</th>" for name in frame.columns)
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{_cell(value)}</td>" for value in row) + "</tr>"
        for row in frame.head(_SHOWN).itertuples(index=False)
    )
    more = len(frame) - _SHOWN
    rest = f"<p>… and {counted(more, 'more row', 'more rows')}</p>" if more > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"


def _cell(value: object) -> str:
    return "" if value is None or value is pd.NA or value != value else escape(readable(value))
