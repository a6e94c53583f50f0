"""The one error tree; its `exit_code` is the contract of every command.

    EtlError
    ├── UsageError       2    the command line is wrong
    ├── CannotRun        1    nothing was committed
    │   ├── SourceError       the SQLite file is missing, no database, or broken
    │   ├── TargetError       PostgreSQL cannot be reached, refuses, or was lost
    │   ├── DriftError        the two schemas differ in a way that somebody has to decide
    │   ├── SuiteError        an expectation suite is broken
    │   ├── LockedError       another run or session holds the target
    │   └── OutputError       what is printed cannot be written any more
    ├── CommittedError   3    the rows are committed, but the report could not be written
    └── UnconfirmedError 3    the connection broke during COMMIT, and the server could not be asked what became of it

Exit 0 is "every row reconciled"; 3 is "ran and committed, but rows were rejected, differ or are missing"; 130 and 143
are an interruption and a termination. These are outcomes of a run, not errors, and are decided in `etl.run`.
"""

from typing import TYPE_CHECKING

from etl.core.redaction import printable

if TYPE_CHECKING:
    from etl.core.report import ReportData


class EtlError(Exception):
    """Anything that a user can mend; the message names place, count and remedy."""

    exit_code = 1

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: the message, and not how this program came to it (`%debug` does)."""
        return _without_frames(self)


class UsageError(EtlError):
    """The command line asks for something that does not exist."""

    exit_code = 2


class CannotRun(EtlError):  # noqa: N818 - named for what it tells the user
    """The run could not start or go on; nothing was committed."""


class SourceError(CannotRun):
    """The SQLite file is missing, is no database, or is broken."""


class TargetError(CannotRun):
    """PostgreSQL cannot be reached, refuses the work, or was lost."""


class DriftError(CannotRun):
    """The two schemas differ in a way that would lose values; the user decides.

    `starter` is the text of a map file (TOML) with guesses about the names that do not meet; "" where it has none.
    """

    def __init__(self, message: str, starter: str = "") -> None:
        super().__init__(message)
        self.starter = starter


class SuiteError(CannotRun):
    """An expectation suite cannot be used as it stands."""


class LockedError(CannotRun):
    """Somebody else holds the target."""


class OutputError(CannotRun):
    """What is printed on the way cannot be written any more, as its disk is full."""


class CommittedError(EtlError):
    """Something failed after the COMMIT; `report` has what the report folder lacks."""

    exit_code = 3

    def __init__(self, message: str, report: "ReportData") -> None:
        super().__init__(message)
        self.report = report


class UnconfirmedError(EtlError):
    """Whether the rows were committed is not known; the next run finds out by itself."""

    exit_code = 3


class Interrupted(KeyboardInterrupt):
    """Somebody stopped a call from Python; the message says what became of it."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows."""
        return _without_frames(self)


def _without_frames(error: BaseException) -> list[str]:
    """The message, line by line: names in it come from the data."""
    return [printable(line) for line in f"{type(error).__name__}: {error}".split("\n")]
