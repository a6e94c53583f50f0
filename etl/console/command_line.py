"""What the commands have in common: where the source is, how options are read, and how a command ends."""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from etl.core import defaults
from etl.core.errors import EtlError, OutputError, SourceError
from etl.core.redaction import printable

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


def source_path(given: Path | None) -> Path:
    """The file that was named, else the default one; `SourceError` where there is neither."""
    if given is None and not defaults.SOURCE.exists():
        raise SourceError(
            f"There is no {defaults.SOURCE}: name a file with --sqlite PATH, or try python -m etl.run --demo."
        )
    return given or defaults.SOURCE


def add_schema(parser: argparse.ArgumentParser) -> None:
    """The option about where in the target the tables are."""
    parser.add_argument(
        "--schema",
        metavar="NAME",
        help="the target's schema (default: the first existing one of the role's search_path)",
    )


def add_verbosity(parser: argparse.ArgumentParser) -> None:
    """The options about how much is said, and in which colours."""
    loudness = parser.add_mutually_exclusive_group()
    loudness.add_argument("-q", "--quiet", action="store_true", help="only the summary and errors")
    loudness.add_argument("-v", "--verbose", action="store_true", help="also the plan, column by column")
    parser.add_argument("--no-color", action="store_true", help="no colours (NO_COLOR is honoured too)")


def names(text: str) -> tuple[str, ...]:
    """An argparse type: a comma-separated list."""
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    if not found:
        raise argparse.ArgumentTypeError("name at least one table")
    return found


def positive(text: str) -> int:
    """An argparse type: a whole number above 0."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def timezone(text: str) -> str:
    """An argparse type: the name of a time zone."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time zone such as UTC or Asia/Seoul") from None
    return text
