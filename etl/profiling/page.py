"""`profile.html`: a source on one page, without network and scripts, every text from the data visible and escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import pandas as pd
from jinja2 import Environment

from etl.core.text import counted
from etl.core.version import __version__
from etl.reporting.pages import asset, page_environment, policy

CHART_WIDTH, CHART_HEIGHT = 240, 40
_CHARTS = {"time": "by time", "number": "by size", "length": "by length"}
Record = Mapping[str, Any]


class Profiled(Protocol):
    """What the page needs of a profile; its frames are those of `Profile`."""

    @property
    def path(self) -> str: ...
    @property
    def rows(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def sizes_from(self) -> str: ...
    @property
    def tables(self) -> pd.DataFrame: ...
    @property
    def columns(self) -> pd.DataFrame: ...
    @property
    def disagreements(self) -> pd.DataFrame: ...
    @property
    def orphans(self) -> pd.DataFrame: ...
    @property
    def distributions(self) -> pd.DataFrame: ...


@dataclass(frozen=True)
class Piece:
    """A bar of a histogram in the chart's units, with what it says."""

    x: float
    width: float
    height: float
    label: str


@dataclass(frozen=True)
class TopValue:
    """One of the most frequent values; `share` of the column's values, 0 to 1."""

    value: str
    rows: int
    share: float


@dataclass(frozen=True)
class ColumnView:
    """A column with its facts, its distribution and what was found in it."""

    facts: Record
    range: str
    chart: Sequence[Piece]
    chart_of: str
    ends: tuple[str, str]
    top: Sequence[TopValue]
    all_different: bool
    findings: Sequence[Record]

    @property
    def values(self) -> int:
        """How many values it holds, NULLs left out."""
        return sum(int(self.facts[name]) for name in ("integer", "real", "text", "blob"))


@dataclass(frozen=True)
class TableView:
    """A table with its columns."""

    facts: Record
    columns: Sequence[ColumnView]
    orphans: Sequence[Record]

    @property
    def findings(self) -> int:
        """How much of it needs a look."""
        lost = sum(int(item["rows"]) for column in self.columns for item in column.findings if item["rejected"])
        return lost + sum(int(key["orphans"]) for key in self.orphans)


def render_page(profile: Profiled) -> str:
    """The whole page."""
    environment = _environment()
    style = asset(environment, "profile.css")
    tables = _tables(profile)
    return environment.get_template("profile.html.j2").render(
        profile=profile,
        tables=tables,
        orphans=sum(int(key["orphans"]) for table in tables for key in table.orphans),
        rejected=int(profile.columns["rejected"].sum()),
        style=style,
        policy=policy(style),
        version=__version__,
        width=CHART_WIDTH,
        height=CHART_HEIGHT,
    )


def _tables(profile: Profiled) -> list[TableView]:
    columns, orphans = _by_table(profile.columns), _by_table(profile.orphans)
    bars, findings = _by_column(profile.distributions), _by_column(profile.disagreements)
    tables = []
    for facts in _records(profile.tables):
        table = facts["table"]
        views = [
            _column(item, bars.get((table, item["column"]), []), findings.get((table, item["column"]), []))
            for item in columns.get(table, [])
        ]
        tables.append(TableView(facts, views, orphans.get(table, [])))
    return tables


def _by_column(frame: pd.DataFrame) -> dict[Any, list[Record]]:
    return {key: _records(part) for key, part in frame.groupby(["table", "column"], sort=False)}


def _by_table(frame: pd.DataFrame) -> dict[Any, list[Record]]:
    return {name: _records(part) for name, part in frame.groupby("table", sort=False)}


def _records(frame: pd.DataFrame) -> list[Record]:
    return [
        {str(name): None if pd.isna(value) else value for name, value in record.items()}
        for record in frame.to_dict("records")
    ]


def _column(facts: Record, bars: Sequence[Record], findings: Sequence[Record]) -> ColumnView:
    values = sum(int(facts[name]) for name in ("integer", "real", "text", "blob"))
    single = bool(bars) and bars[0]["kind"] == "value"
    different = single and values > 1 and all(bar["rows"] == 1 for bar in bars) and facts["distinct"] == values
    histogram = [] if single else bars
    listed = bars if single and not different else []
    return ColumnView(
        facts=facts,
        range=_range(facts, bars),
        chart=_chart(histogram),
        chart_of=_CHARTS[histogram[0]["kind"]] if histogram else "",
        ends=(str(histogram[0]["low"]), str(histogram[-1]["high"])) if histogram else ("", ""),
        top=[TopValue(bar["low"], bar["rows"], bar["rows"] / values) for bar in listed],
        all_different=different,
        findings=findings,
    )


def _range(facts: Record, bars: Sequence[Record]) -> str:
    if facts["earliest"] is not None:
        return f"{facts['earliest']:%Y-%m-%d} – {facts['latest']:%Y-%m-%d}"
    if bars and bars[0]["kind"] == "number":
        return f"{bars[0]['low']} – {bars[-1]['high']}"
    texts = int(facts["text"]) + int(facts["blob"])
    if facts["longest"] is not None and texts >= int(facts["integer"]) + int(facts["real"]):
        unit = "byte" if facts["blob"] > facts["text"] else "character"
        low, longest = facts["shortest"], counted(facts["longest"], unit)
        return longest if low == facts["longest"] else f"{low:,} – {longest}"
    return ""


def _chart(bars: Sequence[Record]) -> list[Piece]:
    """Heights by rows; a bin with a single row among many is still seen."""
    if not bars:
        return []
    most = max(bar["rows"] for bar in bars) or 1
    step = CHART_WIDTH / len(bars)
    return [
        Piece(
            round(place * step, 2),
            round(max(step - 1, 0.8), 2),
            round(max(1.5, bar["rows"] / most * CHART_HEIGHT), 2) if bar["rows"] else 0,
            f"{bar['low'] if bar['low'] == bar['high'] else bar['low'] + ' – ' + bar['high']}: {bar['rows']:,}",
        )
        for place, bar in enumerate(bars)
    ]


@cache
def _environment() -> Environment:
    environment = page_environment("etl.profiling")
    environment.filters |= {"share": _share, "sql": _short}
    return environment


def _share(value: float) -> str:
    """`0 %`, `<0.1 %`, `12.3 %`."""
    if not value:
        return "0 %"
    return (
        "<0.1 %"
        if value < 0.001
        else ">99.9 %"
        if 0.999 < value < 1
        else f"{100 * value:.1f}".removesuffix(".0") + " %"
    )


def _short(sql: str) -> str:
    """A type's short name: catalogues spell out what declarations abbreviate."""
    return sql.replace("timestamp with time zone", "timestamptz").replace("timestamp without time zone", "timestamp")
