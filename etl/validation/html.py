"""The results of a validation as a table for Jupyter: escaped, secrets hidden, nothing from the network."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Literal, Protocol

import pandas as pd

from etl.core.display import as_written
from etl.core.redaction import is_secret, shown


class Result(Protocol):
    """What has to be known of an expectation's outcome to show it."""

    @property
    def expectation(self) -> str: ...
    @property
    def column(self) -> str | None: ...
    @property
    def severity(self) -> Literal["critical", "warning", "info"]: ...
    @property
    def unexpected_rows(self) -> int: ...
    @property
    def success(self) -> bool: ...
    @property
    def notes(self) -> str: ...
    @property
    def samples(self) -> pd.DataFrame: ...
    @property
    def meaning(self) -> str: ...
    @property
    def observed(self) -> str: ...


_HEADINGS = ("", "column", "what is expected", "severity", "failing rows", "found", "samples", "notes")


def validated_html(caption: str, results: Sequence[Result], not_judged: Iterable[str]) -> str:
    """One row for each expectation, failures first; up to five failing rows beside each."""
    ordered = sorted(results, key=lambda result: result.success)
    heading = "".join(f"<th style='text-align:left'>{name}</th>" for name in _HEADINGS)
    body = "".join(map(_row, ordered))
    left = "".join(f"<li>{escape(item)}</li>" for item in not_judged)
    note = f"<p>Not checked, as the frame lacks the column:</p><ul>{left}</ul>" if left else ""
    return as_written(f"<table><caption>{escape(caption)}</caption><tr>{heading}</tr>{body}</table>{note}")


def _row(result: Result) -> str:
    cells = (
        "✓" if result.success else "✗",
        escape(result.column or ""),
        f"{escape(result.meaning)}<br><small>{escape(result.expectation)}</small>",
        result.severity,
        f"{result.unexpected_rows:,}",
        escape(result.observed),
        "<br>".join(escape(line) for line in sample_lines(result.samples)),
        escape(result.notes),
    )
    return "<tr>" + "".join(f"<td style='text-align:left'>{cell}</td>" for cell in cells) + "</tr>"


def sample_lines(samples: pd.DataFrame) -> list[str]:
    """`row 17: role 'owner'` for each sample row; values of secret columns are not shown."""
    return [
        f"row {number}: " + ", ".join(f"{name} {shown_value(value, column=str(name))}" for name, value in row.items())
        for number, row in samples.to_dict(orient="index").items()
    ]


def shown_value(value: object, *, column: str) -> str:
    """A cell of a converted frame on one line: NULL, a time without quotes, else as `etl.masking.shown` has it."""
    if value is pd.NA or value is None or value is pd.NaT:
        return "NULL"
    return str(value) if isinstance(value, pd.Timestamp) and not is_secret(column) else shown(value, column=column)
