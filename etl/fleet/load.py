"""The conductor of a fleet: one file after the other, each a load of its own; what fails leaves the others alone."""

import contextlib
import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.core import defaults
from etl.core.errors import CannotRun, EtlError, TargetError, UsageError
from etl.core.fleet_report import FILES, FileReport, FileStatus
from etl.core.report import ReportData
from etl.files.private_files import file_name
from etl.files.report_folder import prepare_folder
from etl.fleet.files import FleetFile, PerFile, find_files, named
from etl.fleet.history import Known, note, read_history
from etl.fleet.with_column import copy_with_column
from etl.reporting.fleet import FleetReport, write_fleet_report
from etl.runs.connect import Target, open_target
from etl.runs.load import run_migration
from etl.runs.one_of_many import OneOfMany
from etl.runs.run_id import new_run_id
from etl.runs.settings import Settings
from etl.scaling.fingerprint import checksum
from etl.source.file import beside
from etl.target.session import Session
from etl.target.url import check_connection

DATABASE = Path("fleet.db")  # its name is that of the embedded server's database


class FleetObserver:
    """The events of a fleet. This one keeps silent."""

    def fleet_begun(self, target: Target, files: int, known: int) -> None:
        """So many files are meant; so many of them are there, unchanged."""

    def file_begun(self, file: FleetFile, place: int) -> None:
        """The load of a file begins; `place` counts from 1."""

    def file_finished(self, report: FileReport) -> None:
        """What became of a file."""


def run_fleet(
    sources: str | Path | Sequence[str | Path],
    settings: Settings,
    per_file: str,
    observer: FleetObserver | None = None,
) -> FleetReport:
    """Loads every file that is missing in the target or was changed, and writes the report folder.

    Raises `EtlError` where nothing can be done for any file, such as a target that does not answer.
    """
    observer = observer or FleetObserver()
    mode = PerFile.read(per_file)
    if settings.schema is not None and not mode.column:
        raise UsageError(
            "--per-file schema names the schemas itself: leave out --schema, or take --per-file column:NAME."
        )
    if settings.by_workers:
        raise UsageError("--per-file loads one file after the other: leave out --workers, --scheduler and --resume.")
    files = named(find_files(sources), mode, settings.names)
    with open_target(settings.pg, DATABASE, settings.schema) as target:
        started = datetime.now(UTC)
        run_id = new_run_id(started)
        folder = prepare_folder(settings.report_folder or defaults.REPORTS / run_id)
        fleet = _Fleet(settings, mode, target, folder, _history(target))
        results = [fleet.skipped(file) for file in files]
        observer.fleet_begun(target, len(files), sum(one.status is FileStatus.UNCHANGED for one in results))
        report = FleetReport(run_id, started, started, target.name, per_file, (), folder)
        try:
            for place, file in enumerate(files):
                if results[place].status is FileStatus.NOT_BEGUN:
                    observer.file_begun(file, place + 1)
                    results[place] = fleet.load(file)
                    observer.file_finished(results[place])
        finally:  # an interruption, too, leaves the page that says how far it came
            report = replace(report, finished_at=datetime.now(UTC), files=tuple(results))
            write_fleet_report(report, folder)
    return report


def _history(target: Target) -> dict[str, Known]:
    with target.connect() as connection:
        return read_history(Session(connection))


class _Fleet:
    """One run over all files."""

    def __init__(
        self, settings: Settings, mode: PerFile, target: Target, folder: Path, history: dict[str, Known]
    ) -> None:
        self._settings = settings
        self._mode = mode
        self._target = target
        self._folder = folder
        self._history = history

    def skipped(self, file: FleetFile) -> FileReport:
        """What is known of a file before it is loaded."""
        place = self._mode.place(file.name)
        known = self._history.get(place)
        if known is not None and not self._settings.dry_run:
            with contextlib.suppress(EtlError):  # it cannot be read: its load will say so
                if known.state == self._state(file.path):
                    return FileReport(str(file.path), place, FileStatus.UNCHANGED, 0, source_rows=known.rows)
        return FileReport(str(file.path), place, FileStatus.NOT_BEGUN, 1)

    def load(self, file: FleetFile) -> FileReport:
        """Loads a file; its errors become its result. Raises `TargetError` where the target answers no more."""
        started = time.monotonic()
        place = self._mode.place(file.name)
        folder = Path(FILES) / file_name(file.name)
        try:
            report = self._run(file, self._folder / folder)
        except EtlError as error:
            if isinstance(error, TargetError):
                self._target.engine.dispose()  # a new connection shows whether the server answers at all
                check_connection(self._target.engine)
            exit_code = error.exit_code if not isinstance(error, UsageError) else CannotRun.exit_code
            seconds = round(time.monotonic() - started, 3)
            left = str(folder) if (self._folder / folder).is_dir() else None
            return FileReport(
                str(file.path), place, FileStatus.FAILED, exit_code, error=str(error), folder=left, seconds=seconds
            )
        return FileReport(
            str(file.path),
            place,
            FileStatus.FORECAST if self._settings.dry_run else FileStatus.LOADED,
            report.exit_code,
            source_rows=report.total("source_rows"),
            loaded_rows=report.total("loaded_rows"),
            present_rows=report.total("present_rows"),
            rejected_rows=report.total("rejected_rows"),
            folder=str(folder),
            seconds=round(time.monotonic() - started, 3),
        )

    def _run(self, file: FleetFile, folder: Path) -> ReportData:
        state = self._state(file.path)

        def note_file(session: Session, report: ReportData) -> None:
            place, source = self._mode.place(file.name), str(file.path.absolute())
            known = Known(state, report.total("source_rows"))
            note(session, place, source, known, complete=report.settled, run_id=report.run_id)

        makes = self._settings.create_schema or self._target.embedded
        one = OneOfMany(
            path=file.path,
            note=note_file,
            new_schema=file.name if makes and not self._mode.column else None,
            column=self._mode.column,
            value=file.name,
        )
        settings = replace(
            self._settings,
            pg=self._pg(),
            schema=self._settings.schema if self._mode.column else file.name,
            create_schema=makes,
            report_folder=folder,
        )
        with self._source(file, folder) as path:
            return run_migration(replace(settings, source=path), one=one)

    def _pg(self) -> str | None:
        """The embedded server is this run's; any other one is named as it was for the fleet."""
        return self._target.engine.url.render_as_string(False) if self._target.embedded else self._settings.pg

    @contextlib.contextmanager
    def _source(self, file: FleetFile, folder: Path) -> Iterator[Path]:
        if not self._mode.column:
            yield file.path
            return
        with copy_with_column(file.path, folder, self._mode.column, file.name) as path:
            yield path

    def _state(self, path: Path) -> str:
        """The file's content, and what the user has decided: what is the same in both is there already."""
        log = beside(path, "-wal")
        same: dict[str, Any] = {
            "pg": None,
            "report_folder": None,
            "source": Path(),
            "batch_rows": 0,
            "keep_constraints": False,
        }
        decided = replace(self._settings, **same)
        options = hashlib.sha256(repr(decided).encode(errors="surrogatepass")).hexdigest()[:8]
        return "-".join([checksum(path), checksum(log) if log.exists() else "", options])
