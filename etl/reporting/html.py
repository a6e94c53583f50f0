"""`report.html` and the display in Jupyter: one file, no network, every text from the data visible and escaped.

The policy in the page allows its own style sheet and script, by their hashes, and nothing else; bars are therefore SVG
with presentation attributes, not elements with styles.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from etl.core import text as report_text
from etl.core.fleet_report import FleetReportData
from etl.core.report import ReportData, TableReport
from etl.reporting.view import view_of

BAR_WIDTH = 100.0
_FILTERS = ("name", "number", "counted", "duration", "size", "moment")
_LEAST_WIDTH = 1.5  # a single rejected row among millions has to be seen
_OUTCOMES = (
    ("loaded", "loaded_rows"),
    ("present", "present_rows"),
    ("bad", "rejected_rows"),
    ("bad", "unaccounted_rows"),
)
_COMPARED = (("loaded", "matched_rows"), ("bad", "different_rows"), ("bad", "missing_rows"))


class Segment(NamedTuple):
    """A piece of a bar, in hundredths of the longest one."""

    kind: str
    start: float
    width: float


def render_html(report: ReportData) -> str:
    """The whole page. Values of secret columns are hidden; long lists are cut, and say so."""
    style, script = _asset("report.css"), _asset("report.js")
    allowed = f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    policy = f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"
    template = _environment().get_template("report.html.j2")
    return template.render(view=view_of(report), policy=policy, style=style, script=script)


def render_display(report: ReportData) -> str:
    """A small piece of HTML for Jupyter; it takes its colours from the notebook, light or dark."""
    return _environment().get_template("display.html.j2").render(view=view_of(report))


def render_fleet(report: FleetReportData) -> str:
    """The page over all files of a fleet."""
    style = _asset("report.css")
    policy = f"default-src 'none'; style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'"
    template = _environment().get_template("fleet.html.j2")
    return template.render(report=report, policy=policy, style=style, linked=True)


def render_fleet_display(report: FleetReportData) -> str:
    """The same for Jupyter, without links."""
    return _environment().get_template("fleet_table.html.j2").render(report=report, linked=False)


def bars(tables: Sequence[TableReport]) -> dict[str, tuple[Segment, ...]]:
    """For each table the stacked bar of its rows' refused_rows, or of the comparison where nothing was loaded."""
    parts = _OUTCOMES if any(table.loaded_rows is not None for table in tables) else _COMPARED
    longest = max((_rows(table, parts) for table in tables), default=0) or 1
    return {table.name: tuple(_segments(table, parts, longest)) for table in tables}


def _link(path: str) -> Markup:
    """A path below the report folder as a relative reference; `quote` leaves nothing to escape."""
    return Markup(quote(path))


def _rows(table: TableReport, parts: Sequence[tuple[str, str]]) -> int:
    return sum(abs(getattr(table, count) or 0) for _, count in parts)


def _segments(table: TableReport, parts: Sequence[tuple[str, str]], longest: int) -> Iterator[Segment]:
    start = 0.0
    for kind, count in parts:
        rows = abs(getattr(table, count) or 0)
        if rows:
            width = max(_LEAST_WIDTH, rows / longest * BAR_WIDTH)
            start = min(start, BAR_WIDTH - _LEAST_WIDTH)
            yield Segment(kind, round(start, 2), round(min(width, BAR_WIDTH - start), 2))
            start += width


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("etl.reporting"),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(report_text, name) for name in _FILTERS} | {"link": _link, "bars": bars}
    return environment


def _visible(value: object) -> object:
    """Jinja calls this for everything that a template prints, so that no text can miss it; escaping comes after."""
    return report_text.readable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _asset(name: str) -> Markup:
    """A style sheet or script of the product's own, to stand in the page as it is."""
    environment = _environment()
    source = environment.loader.get_source(environment, name)[0] if environment.loader else ""
    return Markup("\n" + source)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
