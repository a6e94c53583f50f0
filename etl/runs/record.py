"""A run's record: its identity, its folder and its accounting, and the report that is made of them."""

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from etl.core import defaults
from etl.core.errors import CannotRun, CommittedError, DriftError, EtlError, UnconfirmedError
from etl.core.report import Outcome, SourceReport, TargetReport, all_settled, helpful_repairs
from etl.files.checkout import keep_out_of_git, would_be_added
from etl.files.private_files import PrivateFolder, writable
from etl.files.report_folder import prepare_folder
from etl.reporting.index import write_index
from etl.reporting.report import Report
from etl.reporting.write import write_report
from etl.runs.accounting import Accounting
from etl.runs.connect import Target
from etl.runs.run_id import new_run_id
from etl.source.database import Source
from etl.target.session import first_line

MAP_FILE = "map.toml"
IN_A_CHECKOUT = (
    "The report folder {} lies in a git checkout that does not ignore it, and holds rows of the data: keep it out of "
    "commits, or name another folder with --report DIR."
)


def describe_source(source: Source) -> SourceReport:
    """The file as the report names it, before it has a fingerprint."""
    return SourceReport(str(source.path), source.bytes, source.sqlite_version, str(source.path.absolute()))


def _prepared_folder(given: Path | None, run_id: str) -> Path:
    """The folder that was named, else one of the run's own, which git does not see."""
    if given is not None:
        return prepare_folder(given)
    folder = prepare_folder(defaults.REPORTS / run_id)
    with writable(defaults.REPORTS):
        keep_out_of_git(defaults.REPORTS)
    return folder


@dataclass(frozen=True)
class RunRecord:
    """One run. `validated` and `reconciled` say what it is asked to do."""

    run_id: str
    started_at: datetime
    source: SourceReport
    target: TargetReport
    folder: Path
    accounting: Accounting
    validated: bool
    reconciled: bool

    @classmethod
    def begin(
        cls,
        source: Source,
        target: Target,
        report_folder: Path | None,
        *,
        validated: bool,
        reconciled: bool,
        run_id: str | None = None,
    ) -> "RunRecord":
        """Gives the run its identity, and makes its folder; raises `CannotRun` where that cannot be written.

        `run_id` is that of a run that was cut off and goes on; None: a new one.
        """
        started = datetime.now(UTC)
        run_id = run_id or new_run_id(started)
        source.fingerprint_ahead()
        folder = _prepared_folder(report_folder, run_id)
        accounting = Accounting(source)
        if would_be_added(folder):
            accounting.remarks.append(IN_A_CHECKOUT.format(folder))
        return cls(
            run_id=run_id,
            started_at=started,
            source=describe_source(source),
            target=target.report,
            folder=folder,
            accounting=accounting,
            validated=validated,
            reconciled=reconciled,
        )

    def report(self, outcome: Outcome | None = None, error: str | None = None) -> Report:
        """The report as things stand; without an `outcome` the accounting decides it."""
        accounting = self.accounting
        if outcome is None:
            outcome = Outcome.RECONCILED if all_settled(accounting.tables, accounting.drift) else Outcome.DIFFERENCES
        return Report(
            run_id=self.run_id,
            started_at=self.started_at,
            finished_at=datetime.now(UTC),
            outcome=outcome,
            source=self._fingerprinted(wait=outcome is not Outcome.FAILED),
            target=self.target,
            tables=tuple(accounting.tables),
            sequences=tuple(accounting.sequences),
            rejects=accounting.reject_groups(),
            other_faults=accounting.further_faults(),
            drift=tuple(accounting.drift),
            expectations=tuple(accounting.expectations),
            timings=accounting.timings,
            differences=accounting.findings.differences,
            difference_kinds=accounting.findings.kinds,
            validated=self.validated,
            reconciled=self.reconciled,
            folder=self.folder,
            error=error,
            remarks=tuple(accounting.remarks),
            rewritten=tuple(accounting.rewritten),
            names=accounting.names,
            schema=accounting.schema,
            allowed_repairs=tuple(map(str, accounting.allowed.wishes)),
            altered=accounting.altered_columns(
                loaded=any(table.loaded_rows is not None for table in accounting.tables), compared=self.reconciled
            ),
            helpful=helpful_repairs(accounting.rejects),
        )

    def _fingerprinted(self, *, wait: bool) -> SourceReport:
        found = self.accounting.source.fingerprint(wait=wait)
        return self.source if found is None else replace(self.source, sha256=found.file, wal_sha256=found.wal)

    def write(self, report: Report) -> None:
        """Writes the report, and where the runs have a folder together, its index; raises `CannotRun`."""
        write_report(report, self.folder)
        if self.folder.absolute().parent == defaults.REPORTS.absolute():
            write_index(self.folder.parent)

    @contextlib.contextmanager
    def failures_reported(self) -> Iterator[None]:
        """Inside, a run that fails leaves a report that says so before its error goes on."""
        try:
            with self.starter_left():
                yield
        except UnconfirmedError as error:
            self._write_failure(Outcome.UNCONFIRMED, str(error))
            raise
        except (EtlError, KeyboardInterrupt) as error:
            self.accounting.forget_rows()
            self._write_failure(Outcome.FAILED, str(error) or "interrupted")
            raise

    @contextlib.contextmanager
    def starter_left(self) -> Iterator[None]:
        """Inside, a run that stops since names do not meet leaves a map to begin with, and its error names it."""
        try:
            yield
        except DriftError as error:
            if not error.starter:
                raise
            path = self.leave_starter(error.starter)
            raise DriftError(
                f"{error}\nA map to begin with is in {path}: take away the # of the lines that are right, then run "
                f"again with --map {shlex.quote(str(path))}",
                error.starter,
            ) from error

    def leave_starter(self, text: str) -> Path:
        """Writes a map to begin with into the report folder; raises `CannotRun` where that cannot be."""
        try:
            with PrivateFolder(self.folder).open(MAP_FILE) as file:
                file.write(text.encode())
        except OSError as error:
            raise CannotRun(f"The report folder {self.folder} cannot be written: {error.strerror}.") from error
        return self.folder / MAP_FILE

    def _write_failure(self, outcome: Outcome, error: str) -> None:
        """Where the folder itself is what failed, the reason on the console is all there is."""
        with contextlib.suppress(CannotRun, OSError):
            self.write(self.report(outcome, error))

    def finish(self, outcome: Outcome | None = None) -> Report:
        """Writes the report of a run that has committed, or of a dry run.

        Raises `CommittedError` where the rows are committed and the report cannot be written.
        """
        finished = self.report(outcome)
        try:
            self.write(finished)
        except Exception as error:
            if outcome is Outcome.DRY_RUN:
                raise
            # Whatever it was: code and message must not let anybody believe that nothing was committed.
            cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
            raise CommittedError(
                f"The rows are committed, but the report could not be written ({first_line(cause)}). Put that right "
                "and run again: nothing is loaded twice, and every row is counted, compared and reported anew.",
                finished,
            ) from error
        return finished
