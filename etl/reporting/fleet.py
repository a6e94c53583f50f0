"""The report over a fleet as it is returned and written: the data with its display, `fleet.json` and one page."""

from pathlib import Path

from etl.core.errors import CannotRun
from etl.core.fleet_report import FLEET_FILE, PAGE_FILE, FleetReportData
from etl.files.private_files import PrivateFolder


class FleetReport(FleetReportData):
    """What a run over many files has to say for itself; displays itself in Jupyter."""

    def _repr_html_(self) -> str:
        from etl.reporting.html import render_fleet_display

        return render_fleet_display(self)


def write_fleet_report(report: FleetReport, folder: Path) -> None:
    """Writes `fleet.json` and the page over all files; raises `CannotRun` where the folder cannot be written."""
    from etl.reporting.html import render_fleet

    private = PrivateFolder(folder)
    try:
        for name, content in ((FLEET_FILE, report.to_json()), (PAGE_FILE, render_fleet(report).encode())):
            with private.open(name) as file:
                file.write(content)
    except OSError as error:
        raise CannotRun(f"The report folder {folder} cannot be written: {error.strerror}.") from error
