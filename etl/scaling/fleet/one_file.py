"""One file of a fleet loaded: by the coordinator itself, or by a worker of Dask's, for which all of it can be sent."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from etl.core.errors import CannotRun, EtlError, UsageError
from etl.core.fleet_report import FILES, FileReport, FileStatus
from etl.core.report import ReportData
from etl.files.private_files import file_name
from etl.runs.load import run_migration
from etl.runs.one_of_many import OneOfMany
from etl.runs.settings import Settings
from etl.scaling.fleet.files import FleetFile, PerFile
from etl.scaling.fleet.history import Known, note
from etl.scaling.fleet.with_column import copy_with_column
from etl.scaling.work import application_name, target_of_worker
from etl.target.session import Session


@dataclass(frozen=True)
class FileTask:
    """A file that is to be loaded.

    `folder` is the fleet's report folder. `settings` names the source by its whole path, and no target. `state` tells
    the file's content and the user's decisions from others.
    """

    run_id: str
    file: FleetFile
    mode: PerFile
    settings: Settings = field(repr=False)
    folder: Path
    state: str

    @property
    def place(self) -> str:
        """Where in the target its rows are, in words."""
        return self.mode.place(self.file.name)

    @property
    def report_folder(self) -> Path:
        """The file's own, below the fleet's."""
        return Path(FILES) / file_name(self.file.name)

    def note(self, session: Session, report: ReportData) -> None:
        """Writes down what the load has done, at the end of its transaction."""
        known = Known(self.state, report.total("source_rows"))
        source = str(self.file.path.absolute())
        note(session, self.place, source, known, complete=report.settled, run_id=report.run_id)

    def failed(self, error: EtlError, seconds: float = 0.0) -> FileReport:
        """The file's line where it could not be loaded."""
        code = CannotRun.exit_code if isinstance(error, UsageError) else error.exit_code
        left = str(self.report_folder) if (self.folder / self.report_folder).is_dir() else None
        return FileReport(
            str(self.file.path),
            self.place,
            FileStatus.FAILED,
            code,
            error=str(error),
            folder=left,
            seconds=round(seconds, 3),
        )


def load_file(task: FileTask, pg: str | None) -> FileReport:
    """Loads a file into `pg`; its errors become its result."""
    started = time.monotonic()
    try:
        report = _run(task, pg)
    except EtlError as error:
        return task.failed(error, time.monotonic() - started)
    return FileReport(
        str(task.file.path),
        task.place,
        FileStatus.FORECAST if task.settings.dry_run else FileStatus.LOADED,
        report.exit_code,
        source_rows=report.total("source_rows"),
        loaded_rows=report.total("loaded_rows"),
        present_rows=report.total("present_rows"),
        rejected_rows=report.total("rejected_rows"),
        folder=str(task.report_folder),
        seconds=round(time.monotonic() - started, 3),
    )


def load_file_on_worker(task: FileTask, url: str) -> FileReport:
    """The same in a worker's process. `url` is the target without a password, which the worker's environment has."""
    # By this name the coordinator ends what the worker does on the server.
    os.environ["PGAPPNAME"] = application_name(task.run_id)
    return load_file(task, target_of_worker(url).render_as_string(hide_password=False))


def _run(task: FileTask, pg: str | None) -> ReportData:
    mode, name = task.mode, task.file.name
    one = OneOfMany(
        path=task.file.path,
        note=task.note,
        new_schema=name if task.settings.create_schema and not mode.column else None,
        column=mode.column,
        value=name,
    )
    folder = task.folder / task.report_folder
    schema = task.settings.schema if mode.column else name
    with _source(task, folder) as path:
        return run_migration(replace(task.settings, source=path, pg=pg, schema=schema, report_folder=folder), one=one)


@contextlib.contextmanager
def _source(task: FileTask, folder: Path) -> Iterator[Path]:
    if not task.mode.column:
        yield task.settings.source
        return
    with copy_with_column(task.settings.source, folder, task.mode.column, task.file.name) as path:
        yield path
