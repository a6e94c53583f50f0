"""A profile in Jupyter: a line for each table, its columns behind it.

Tables with values that do not fit are opened; where there is none, the largest table is.
"""

import html

import pandas as pd

from etl.core.display import as_written
from etl.core.text import counted, visible

_STYLE = """
<style>
.etl-profile summary { cursor: pointer; padding: .15em 0; }
.etl-profile summary .etl-count { opacity: .7; }
.etl-profile table { margin: .3em 0 .8em 1.2em; }
.etl-profile :is(td, th) { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.etl-profile :is(td, th).etl-text { text-align: left; white-space: normal; }
</style>
"""
# In the order in which a narrow window shows them: first what asks for attention.
_HEADINGS = {
    "column": "Column",
    "target_type": "Target",
    "rejected": "Rejected",
    "unusual": "Unusual",
    "null": "NULL",
    "integer": "Integer",
    "real": "Real",
    "text": "Text",
    "blob": "BLOB",
    "distinct": "Distinct",
    "shortest": "Shortest",
    "longest": "Longest",
    "earliest": "Earliest",
    "latest": "Latest",
    "declared_type": "Declared",
    "proposed_type": "Proposed",
}
_TEXTS = ("column", "declared_type", "target_type", "proposed_type")
_FINDINGS = ("unusual", "rejected")


def profile_html(title: str, tables: pd.DataFrame, columns: pd.DataFrame) -> str:
    """`tables` and `columns` of a profile under its title."""
    parts = {str(name): part for name, part in columns.groupby("table", sort=False)}
    counts = dict(zip(tables["table"], tables["rows"], strict=True))
    nothing_found = not columns[list(_FINDINGS)].to_numpy().any()
    largest = max(counts, key=lambda name: counts[name]) if counts and nothing_found else None
    details = "".join(_table(name, rows, parts[name], opened=name == largest) for name, rows in counts.items())
    return as_written(f"{_STYLE}<p><b>{html.escape(visible(title))}</b></p>{details}", "etl-profile")


def _table(name: str, rows: int, columns: pd.DataFrame, *, opened: bool) -> str:
    findings = int(columns[list(_FINDINGS)].to_numpy().sum())
    noted = f", <strong>{counted(findings, 'value')} to look at</strong>" if findings else ""
    heads = "".join(f"<th{_class(field)}>{text}</th>" for field, text in _HEADINGS.items())
    body = "".join(f"<tr>{_row(row)}</tr>" for row in columns[list(_HEADINGS)].to_dict("records"))
    return (
        f"<details{' open' if findings or opened else ''}><summary>{html.escape(visible(name))} "
        f'<span class="etl-count">{counted(rows, "row")}</span>{noted}</summary>'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></details>"
    )


def _row(row: dict[object, object]) -> str:
    return "".join(f"<td{_class(str(field))}>{_cell(str(field), value)}</td>" for field, value in row.items())


def _class(field: str) -> str:
    return ' class="etl-text" style="text-align: left"' if field in _TEXTS else ""


def _cell(field: str, value: object) -> str:
    return f"<strong>{_text(value)}</strong>" if field in _FINDINGS and value else _text(value)


def _text(value: object) -> str:
    if value is None or value is pd.NaT or value is pd.NA:
        return "–"
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat()
    return f"{value:,}" if isinstance(value, int) else html.escape(visible(str(value)))
