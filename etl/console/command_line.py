"""How a command ends: exit codes, one line for an error, Ctrl-C and SIGTERM, an output that takes no more."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVar

from etl.core.errors import CommittedError, EtlError, OutputError
from etl.core.redaction import printable

if TYPE_CHECKING:
    from etl.core.report import ReportData

INTERRUPTED = 130
TERMINATED = 143
NOTHING_COMMITTED = "Nothing was committed: the target is as it was. Running again is safe."


class _Terminated(KeyboardInterrupt):
    """SIGTERM: takes the same way out as Ctrl-C."""


def exit_code_of(command: Callable[[], int], *, if_stopped: str) -> int:
    """Runs `command`; turns errors and interruptions into one line on stderr and the exit code of the contract."""
    signal.signal(signal.SIGTERM, _terminate)
    # numpy's linear algebra, which nothing here asks for, would start threads that spin at first and take a core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        return command()
    except _Terminated:
        return _stopped(f"✗ Terminated. {if_stopped}\n", TERMINATED)
    except KeyboardInterrupt:
        return _stopped(f"✗ Interrupted. {if_stopped}\n", INTERRUPTED)
    except EtlError as error:
        sys.stderr.write(f"✗ {harmless(error)}\n")
        return error.exit_code


def harmless(error: Exception) -> str:
    """The message, line by line: names in it come from the data."""
    return "\n".join(map(printable, str(error).split("\n")))


@contextlib.contextmanager
def over(notice: str) -> Iterator[None]:
    """Inside, results are printed; an interruption, or an output that takes no more, only ends the printing."""
    try:
        yield
    except (KeyboardInterrupt, OSError, OutputError, SystemExit):  # rich makes a SystemExit of a broken pipe
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)  # else Python fails once more when it flushes stdout at the end
        with contextlib.suppress(OSError):
            sys.stderr.write(f"✗ The output was cut off. {notice}\n")


class Told(Protocol):
    """What the end of a command needs of a report, be it that of a load, a fleet or an undo."""

    @property
    def exit_code(self) -> int: ...
    @property
    def folder(self) -> Path | None: ...
    def to_json(self) -> bytes: ...


R = TypeVar("R", bound=Told)


def tell(report: R, finished: Callable[[R], None], *, as_json: bool, what: str = "run") -> int:
    """Prints what has come of a run (`what` names it), which nothing can change any more, and gives the exit code."""
    with over(f"The {what} itself had come to its end: exit code {report.exit_code}, report in {report.folder}."):
        finished(report)
        if as_json:
            sys.stdout.write(report.to_json().decode())
        sys.stdout.flush()
    return report.exit_code


def run_to_its_end(run: "Callable[[], ReportData]") -> "tuple[ReportData, CommittedError | None]":
    """The report of a run that came to its end, and what kept it from the report folder."""
    try:
        return run(), None
    except CommittedError as error:
        return error.report, error


def _stopped(message: str, code: int) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # another Ctrl-C must not disturb the way out
    sys.stderr.write(message)
    return code


def leave(code: int) -> NoReturn:
    """Ends the process with this exit code, at once: everything that has to be closed is closed by then.

    While Python shuts down it restores the signals' default actions, and one more Ctrl-C would end an interrupted
    command with another code. To take pandas apart in good order would last 0.2 s, too.
    """
    with over(f"The exit code is {code}."):
        sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated
