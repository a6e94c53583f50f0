"""Writes a report into its folder."""

from pathlib import Path

from etl.core.errors import CannotRun
from etl.core.report import HTML_FILE, MARKDOWN_FILE, REPORT_FILE, ReportData
from etl.files.private_files import PrivateFolder


def write_report(report: ReportData, folder: Path) -> Path:
    """Writes `report.json`, `report.html` and `report.md` into the report folder; returns the path of the first.

    Raises `CannotRun` where the folder cannot be written.
    """
    from etl.reporting.html import render_html
    from etl.reporting.markdown import render_markdown

    private = PrivateFolder(folder)
    try:
        for name, content in (
            (REPORT_FILE, report.to_json()),
            (HTML_FILE, render_html(report).encode()),
            (MARKDOWN_FILE, render_markdown(report).encode()),
        ):
            with private.open(name) as file:
                file.write(content)
    except OSError as error:
        raise CannotRun(f"The report folder {folder} cannot be written: {error.strerror}.") from error
    return folder / REPORT_FILE
