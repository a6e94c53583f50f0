"""The conductor of a fleet: each file is a load of its own, one after the other or by several workers."""

import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.concurrency.interruption import interruptible
from etl.core import defaults
from etl.core.errors import EtlError, UsageError
from etl.core.fleet_report import FileReport, FileStatus
from etl.files.report_folder import prepare_folder
from etl.reporting.fleet import FleetReport, write_fleet_report
from etl.runs.connect import Target, open_target
from etl.runs.run_id import new_run_id
from etl.runs.settings import Settings
from etl.scaling.cluster import Call, Cluster, open_cluster
from etl.scaling.fingerprint import checksum
from etl.scaling.fleet.files import FleetFile, PerFile, find_files, named
from etl.scaling.fleet.history import Known, prepare_history, read_history
from etl.scaling.fleet.one_file import FileTask, load_file, load_file_on_worker
from etl.scaling.work import end_workers, worker_url
from etl.source.file import beside
from etl.target.session import Session
from etl.target.url import check_connection

DATABASE = Path("fleet.db")  # its name is that of the embedded server's database


class FleetObserver:
    """The events of a fleet. This one keeps silent."""

    def fleet_begun(self, target: Target, files: int, known: int) -> None:
        """So many files are meant; so many of them are there, unchanged."""

    def workers_ready(self, text: str) -> None:
        """How many workers there are, and where to watch them."""

    def file_finished(self, report: FileReport, done: int) -> None:
        """What became of a file; `done` of those that were to be loaded are through."""


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
    _require_sense(settings, mode)
    files = named(find_files(sources), mode, settings.names)
    with open_target(settings.pg, DATABASE, settings.schema) as target:
        started = datetime.now(UTC)
        run_id = new_run_id(started)
        folder = prepare_folder(settings.report_folder or defaults.REPORTS / run_id)
        history = _history(target, settings)
        tasks = [_task(run_id, file, mode, settings, target, folder) for file in files]
        results = {task.place: _known(task, history) for task in tasks}
        open_tasks = [task for task in tasks if results[task.place].status is FileStatus.NOT_BEGUN]
        observer.fleet_begun(target, len(files), len(files) - len(open_tasks))
        done: list[str] = []

        def on_done(report: FileReport) -> None:
            results[report.place] = report
            done.append(report.place)
            observer.file_finished(report, len(done))
            if report.status is FileStatus.FAILED:  # a new connection shows whether the server answers at all
                target.engine.dispose()
                check_connection(target.engine)

        try:
            if settings.by_workers and open_tasks:
                _load_by_workers(open_tasks, settings, target, observer, on_done)
            else:
                for task in open_tasks:
                    on_done(load_file(task, _pg(settings, target)))
        finally:  # an interruption, too, leaves the page that says how far it came
            ended = datetime.now(UTC)
            report = FleetReport(run_id, started, ended, target.name, per_file, tuple(results.values()), folder)
            write_fleet_report(report, folder)
    return report


def _require_sense(settings: Settings, mode: PerFile) -> None:
    if settings.schema is not None and not mode.column:
        raise UsageError(
            "--per-file schema names the schemas itself: leave out --schema, or take --per-file column:NAME."
        )
    if settings.resume is not None:
        raise UsageError("--per-file needs no --resume: a second run loads what is missing.")
    if settings.by_workers and mode.column:
        raise UsageError(
            "--per-file column:NAME loads one file after the other, as all go into the same tables: leave out "
            "--workers and --scheduler."
        )


def _history(target: Target, settings: Settings) -> Mapping[str, Known]:
    with target.connect() as connection:
        session = Session(connection)
        if not settings.dry_run:
            prepare_history(session)
            session.driver.commit()
        return read_history(session)


def _task(run_id: str, file: FleetFile, mode: PerFile, settings: Settings, target: Target, folder: Path) -> FileTask:
    makes = settings.create_schema or target.embedded
    same: dict[str, Any] = {"pg": None, "workers": None, "scheduler": None, "report_folder": None}
    bare = replace(settings, source=file.path.absolute(), create_schema=makes, **same)
    return FileTask(run_id, file, mode, bare, folder.absolute(), _state(file.path, bare))


def _state(path: Path, settings: Settings) -> str:
    """The file's content, and what the user has decided: what is the same in both is there already. "" where the file
    cannot be read, which its load will say."""
    log = beside(path, "-wal")
    same: dict[str, Any] = {"source": Path(), "batch_rows": 0, "keep_constraints": False, "create_schema": False}
    options = hashlib.sha256(repr(replace(settings, **same)).encode(errors="surrogatepass")).hexdigest()[:8]
    with contextlib.suppress(EtlError):
        return "-".join([checksum(path), checksum(log) if log.exists() else "", options])
    return ""


def _known(task: FileTask, history: Mapping[str, Known]) -> FileReport:
    """What is known of a file before it is loaded."""
    known = history.get(task.place)
    if known is not None and known.state == task.state and not task.settings.dry_run:
        return FileReport(str(task.file.path), task.place, FileStatus.UNCHANGED, 0, source_rows=known.rows)
    return FileReport(str(task.file.path), task.place, FileStatus.NOT_BEGUN, 1)


def _pg(settings: Settings, target: Target) -> str | None:
    """The embedded server is this run's; any other one is named as it was for the fleet."""
    return target.engine.url.render_as_string(hide_password=False) if target.embedded else settings.pg


def _load_by_workers(
    tasks: Sequence[FileTask],
    settings: Settings,
    target: Target,
    observer: FleetObserver,
    on_done: Callable[[FileReport], None],
) -> None:
    """Each worker loads a whole file, with its own connection; schemas are in nobody's way."""
    run_id = tasks[0].run_id
    clusters: list[Cluster] = []
    by_key = {f"etl-{run_id}-{number}": task for number, task in enumerate(tasks, start=1)}
    calls = [Call(key, load_file_on_worker, (task, target.display_url)) for key, task in by_key.items()]

    def work() -> None:
        count = max(1, min(settings.workers or 1, len(tasks)))
        with open_cluster(count, settings.scheduler, worker_url(settings.pg, target)) as cluster:
            clusters.append(cluster)
            cluster.check(run_id, tasks[0].file.path.absolute() if tasks[0].state else None)
            observer.workers_ready(cluster.said)
            cluster.each(calls, on_done, lambda key, error: on_done(by_key[key].failed(error)))

    def stop() -> None:
        for cluster in clusters:
            cluster.stop(run_id)
        with contextlib.suppress(EtlError), target.connect() as connection:  # it may be the server that is gone
            end_workers(Session(connection), run_id)

    interruptible(work, hang_up=stop)
