"""A sync again and again, for the hours before the switch: rounds in which the source did not change are saved."""

import time

from etl.core.errors import CannotRun, CommittedError, UnconfirmedError
from etl.core.report import ReportData
from etl.runs.observer import Observer
from etl.runs.settings import SyncSettings
from etl.runs.sync import run_sync
from etl.source.file import change_marks


class WatchObserver(Observer):
    """The events of a watch. This one keeps silent."""

    def watch_begun(self, settings: SyncSettings, seconds: int) -> None:
        """The first round is about to begin."""

    def round_finished(self, report: ReportData, behind: float) -> None:
        """A round was committed; its source was read `behind` seconds ago."""

    def round_saved(self) -> None:
        """The source has not changed since the last round."""

    def round_failed(self, error: Exception, seconds: int) -> None:
        """A round failed, nothing of it is in the target; the next one begins in so many seconds."""


def watch(settings: SyncSettings, seconds: int, observer: WatchObserver) -> int:
    """Syncs until Ctrl-C, `seconds` after each round, where the source has changed since; returns the exit code of the
    last round that came to its end.

    The first round has to succeed: its errors are raised. Later ones are told, and tried again.
    """
    observer.watch_begun(settings, seconds)
    code: int | None = None
    synced: object = None
    try:
        while True:
            marks, began = change_marks(settings.source), time.time()
            if code is not None and marks == synced:
                observer.round_saved()
            else:
                try:
                    report = run_sync(settings)
                except (CannotRun, CommittedError, UnconfirmedError) as error:
                    if code is None:
                        raise
                    observer.round_failed(error, seconds)
                else:
                    code, synced = report.exit_code, marks
                    observer.round_finished(report, time.time() - began)
            time.sleep(seconds)
    except KeyboardInterrupt:
        if code is None:
            raise
        return code
