"""The commands in this process, as a user meets them: exit code, what is printed, and never a traceback."""

import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from etl.console.undo import main as undo
from etl.reconcile import main as reconcile
from etl.run import main as load


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


class Commands:
    """Runs commands and hands over what they printed. Whatever escapes a command, which is where a user would see a
    traceback, fails the test."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def load(self, sqlite: Path, url: str, report: Path, *more: str) -> Done:
        """`python -m etl.run`, without validation."""
        arguments = ["--sqlite", str(sqlite), "--pg", url, "--report", str(report), "--skip-validation", *more]
        return self._run(load, arguments)

    def reconcile(self, sqlite: Path, url: str, report: Path, *more: str) -> Done:
        """`python -m etl.reconcile`."""
        return self._run(reconcile, ["--sqlite", str(sqlite), "--pg", url, "--report", str(report), *more])

    def undo(self, run: Path, url: str, report: Path, *more: str) -> Done:
        """`python -m etl undo`."""
        return self._run(undo, [str(run), "--pg", url, "--report", str(report), *more])

    def _run(self, main: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> Done:
        self._capsys.readouterr()
        code = main(arguments)
        out, err = self._capsys.readouterr()
        assert "Traceback" not in out + err
        return Done(code, out, err)


@pytest.fixture
def commands(capsys: pytest.CaptureFixture[str]) -> Iterator[Commands]:
    """The commands; the signal handler that they set is taken back."""
    handler = signal.getsignal(signal.SIGTERM)
    yield Commands(capsys)
    signal.signal(signal.SIGTERM, handler)
