"""The proposal for people: as SQL, as DataFrames, and as a display in Jupyter."""

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import pandas as pd

from etl.core.name_map import NameMap
from etl.core.proposal import Choice, NameStyle, NotCarried, Proposal, TimeType, TypeRule
from etl.core.text import counted
from etl.derivation.derive import derive
from etl.derivation.settings import DerivationSettings
from etl.schema.ddl import script
from etl.source.database import Source

NamesChoice = Literal["lower", "keep", "snake"]
TypesChoice = Literal["fit", "declared"]
TimesChoice = Literal["timestamptz", "timestamp"]
_INTEGERS = ("nulls", "values", "of_values", "rows")


@dataclass(frozen=True)
class ProposedSchema:
    """The schema that a source proposes. It displays itself in Jupyter; `proposal` holds it as data."""

    source: str
    proposal: Proposal

    @cached_property
    def sql(self) -> str:
        """The script that makes the schema, for psql."""
        return script(self.proposal, self.source)

    @cached_property
    def columns(self) -> pd.DataFrame:
        """A row for each column. Texts (str): table, column, declared, storage (such as "3 text, 1 blob"), type,
        reason, could be; nulls: how many values are NULL (Int64)."""
        rows = [
            {
                "table": table.source,
                "column": column.source,
                "declared": column.declared,
                "storage": ", ".join(f"{count:,} {name}" for name, count in column.storage.items()),
                "nulls": column.nulls,
                "type": column.type.sql,
                "reason": column.reason,
                "could be": column.could_be,
            }
            for table in self.proposal.tables
            for column in table.columns
        ]
        names = ["table", "column", "declared", "storage", "nulls", "type", "reason", "could be"]
        return _frame(rows, names)

    @cached_property
    def choices(self) -> pd.DataFrame:
        """A row for each thing that becomes other than declared. Texts (str): kind, table, column, declared, became,
        reason, example, row, ways_out; values and of_values: how many values of how many are to blame (Int64)."""
        return _frame(map(asdict, self.proposal.choices), list(Choice.__dataclass_fields__))

    @cached_property
    def not_carried(self) -> pd.DataFrame:
        """A row for each thing that PostgreSQL does not get. Texts (str): kind, table, name, sql, reason; rows: how
        many rows it holds, where it holds any (Int64)."""
        return _frame(map(asdict, self.proposal.not_carried), list(NotCarried.__dataclass_fields__))

    def __str__(self) -> str:
        tables, choices = counted(len(self.proposal.tables), "table"), counted(len(self.proposal.choices), "choice")
        return f"{self.source}: {tables}, {choices}, {len(self.proposal.not_carried):,} not carried"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        frames = [("Columns", self.columns), ("Choices", self.choices), ("Not carried", self.not_carried)]
        tables = [
            f"<h4>{title}</h4>{frame.to_html(index=False, na_rep='', border=0)}"
            for title, frame in frames
            if len(frame)
        ]
        sql = f"<details><summary>SQL</summary><pre>{html.escape(self.sql)}</pre></details>"
        return f"<p>{html.escape(str(self))}</p>{''.join(tables)}{sql}"


def _frame(rows: Iterable[Mapping[str, object]], names: Sequence[str]) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=list(names))
    return frame.astype({name: "Int64" if name in _INTEGERS else "str" for name in names})


def propose_schema(
    source: str | Path,
    *,
    names: NamesChoice = "lower",
    types: TypesChoice = "fit",
    times: TimesChoice = "timestamptz",
    tables: str | Sequence[str] = (),
    decided: NameMap | None = None,
) -> ProposedSchema:
    """Derives a PostgreSQL schema from any SQLite file, and proves it on all of its values; nothing is written.

    :param source: the SQLite file.
    :param names: "lower" folds names as SQLite does, so that unquoted SQL goes on working; "keep" leaves them as they
        are; "snake" makes `order_details` of `OrderDetails`.
    :param types: "fit" chooses types that hold every value; "declared" keeps the declared types, and a load rejects the
        rows that do not fit.
    :param times: the type of dates with a time of day: "timestamptz", or "timestamp" without a zone.
    :param tables: only these tables, or one table's name; empty: all.
    :param decided: what the user has decided about names and types.
    :returns: the proposal: `sql`, and the DataFrames `columns`, `choices` and `not_carried`.
    :raises UsageError: for a table that the source lacks. `SourceError` where the file cannot be read.

    Example::

        proposed = etl.propose_schema("library.db")
        proposed.columns
        Path("schema.sql").write_text(proposed.sql)
    """
    settings = DerivationSettings(
        NameStyle(names),
        TypeRule(types),
        TimeType(times),
        (tables,) if isinstance(tables, str) else tuple(tables),
        decided or NameMap(),
        hints=True,
    )
    path = Path(source)
    with Source(path) as opened:
        return ProposedSchema(path.name, derive(opened, settings))
