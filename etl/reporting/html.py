"""`report.html` and the display in Jupyter: one file, no network, every text from the data visible and escaped.

The policy in the page allows its own style sheet and script, by their hashes, and nothing else; bars are therefore SVG
with presentation attributes, not elements with styles.
"""

from collections.abc import Sequence
from functools import cache
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup

from etl.core.display import UNTYPESET
from etl.core.fleet_report import FleetReportData
from etl.core.report import TOOL, Outcome, ReportData
from etl.core.version import __version__
from etl.reporting.charts import table_bars
from etl.reporting.pages import asset, page_environment, policy
from etl.reporting.run_lines import Run
from etl.reporting.values import example_key, example_values
from etl.reporting.view import Column, ReportView, view_of


def render_html(report: ReportData) -> str:
    """The whole page. Values of secret columns are hidden; long lists are cut, and say so."""
    style, script = asset(_environment(), "report.css"), asset(_environment(), "report.js")
    template = _environment().get_template("report.html.j2")
    return template.render(view=view_of(report), policy=policy(style, script), style=style, script=script)


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
    style = asset(_environment(), "report.css")
    template = _environment().get_template("index.html.j2")
    return template.render(runs=runs, more=more, policy=policy(style), style=style, tool=TOOL, version=__version__)


def render_fleet(report: FleetReportData) -> str:
    """The page over all files of a fleet."""
    style = asset(_environment(), "report.css")
    template = _environment().get_template("fleet.html.j2")
    return template.render(report=report, policy=policy(style), style=style, linked=True)


def render_fleet_display(report: FleetReportData) -> str:
    """The same for Jupyter, without links."""
    return _environment().get_template("fleet_table.html.j2").render(report=report, linked=False)


def _link(path: str) -> Markup:
    """A path below the report folder as a relative reference; `quote` leaves nothing to escape."""
    return Markup(quote(path))


@cache
def _environment() -> Environment:
    environment = page_environment("etl.reporting")
    environment.filters |= {
        "link": _link,
        "bars": table_bars,
        "example_key": example_key,
        "example_values": example_values,
    }
    return environment
