"""`report.html` and the display in Jupyter: one file, no network, every text from the data visible and escaped.

The policy in the page allows its own style sheet and script, by their hashes, and nothing else; bars are therefore SVG
with presentation attributes, not elements with styles.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from etl.core import text as report_text
from etl.core.display import UNTYPESET
from etl.core.fleet_report import FleetReportData
from etl.core.report import TOOL, Outcome, ReportData
from etl.core.version import __version__
from etl.reporting.charts import table_bars
from etl.reporting.run_lines import Run
from etl.reporting.values import example_key, example_values
from etl.reporting.view import Column, ReportView, view_of

_FILTERS = ("name", "number", "counted", "duration", "size", "moment")


def render_html(report: ReportData) -> str:
    """The whole page. Values of secret columns are hidden; long lists are cut, and say so."""
    style, script = _asset("report.css"), _asset("report.js")
    template = _environment().get_template("report.html.j2")
    return template.render(view=view_of(report), policy=_policy(style, script), style=style, script=script)


def render_display(report: ReportData) -> str:
    """A small piece of HTML for Jupyter; it takes its colours from the notebook, light or dark.

    What asks for attention stands at the left, in view; counts that ask for none and are 0 everywhere are left out. The
    tables are folded away where a forecast, or a comparison alone, has found nothing in them.
    """
    view = view_of(report)
    return (
        _environment()
        .get_template("display.html.j2")
        .render(
            view=view,
            untypeset=UNTYPESET,
            columns=_in_view(view),
            opened=(report.outcome is not Outcome.DRY_RUN and view.sums.loading) or not report.settled,
        )
    )


def _in_view(view: ReportView) -> list[Column]:
    columns = [column for column in view.columns if column.finding or any(column.rows(table) for table in view.tables)]
    return sorted(
        columns,
        key=lambda column: (
            column.field != "source_rows",
            not column.is_finding_in(view.tables),
            not column.finding,
        ),
    )


def render_index(runs: Sequence[Run], *, more: int) -> str:
    """The index of runs; `more` are not on it."""
    style = _asset("report.css")
    template = _environment().get_template("index.html.j2")
    return template.render(runs=runs, more=more, policy=_policy(style), style=style, tool=TOOL, version=__version__)


def render_fleet(report: FleetReportData) -> str:
    """The page over all files of a fleet."""
    style = _asset("report.css")
    policy = f"default-src 'none'; style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'"
    template = _environment().get_template("fleet.html.j2")
    return template.render(report=report, policy=policy, style=style, linked=True)


def render_fleet_display(report: FleetReportData) -> str:
    """The same for Jupyter, without links."""
    return _environment().get_template("fleet_table.html.j2").render(report=report, linked=False)


def _link(path: str) -> Markup:
    """A path below the report folder as a relative reference; `quote` leaves nothing to escape."""
    return Markup(quote(path))


def _policy(style: Markup, script: Markup | None = None) -> str:
    allowed = f"style-src '{_hash(style)}'" + (f"; script-src '{_hash(script)}'" if script else "")
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


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
    environment.filters |= {name: getattr(report_text, name) for name in _FILTERS}
    environment.filters |= {
        "link": _link,
        "bars": table_bars,
        "example_key": example_key,
        "example_values": example_values,
    }
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
