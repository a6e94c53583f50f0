"""The commands in a process of their own, to be interrupted, terminated and killed at a point that is known exactly.

The process is forked from one that has imported everything, which saves the seconds that importing takes; what runs in
it is the command itself. Where no statement marks the point (reading, writing the report), the process has a hook: it
says that it has come there, and goes on when it is told to.
"""

import contextlib
import importlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from etl.console.command_line import leave

SECONDS = 90  # a guard against hanging; nothing here takes as long on a busy machine
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(
    ["faults.victim", "pytest", "etl.run", "etl.reconcile", "etl.console.load", "etl.runs.load"]
)
READING, REPORTING = "reading", "reporting"
_REACHED, _GO = "reached", "go"  # files: a killed process can leave no lock behind in them


class Victim:
    """A command that runs in `folder`; what it says is in the files `out` and `err` there."""

    def __init__(self, module: str, *arguments: str | Path, folder: Path, hook: tuple[str, int] | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._process = _forks.Process(target=_live, args=(module, list(map(str, arguments)), folder, hook))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def out(self) -> str:
        """What it has printed."""
        return (self._folder / "out").read_text()

    @property
    def err(self) -> str:
        """What it has complained of."""
        return (self._folder / "err").read_text()

    def send(self, number: signal.Signals) -> None:
        """A signal; after SIGKILL, waits until the process is gone."""
        os.kill(self.pid, number)
        if number is signal.SIGKILL:
            assert _within(lambda: not psutil.pid_exists(self.pid))  # `join` is for one thread alone

    def wait_for_hook(self) -> None:
        """Until it has come to the point of its hook."""
        reached = self._folder / _REACHED
        _within(lambda: reached.exists() or not self._process.is_alive())
        assert reached.exists(), (self.out, self.err)

    def wait_for_word(self, words: str) -> None:
        """Until it has said this on stderr."""
        assert _within(lambda: (self._folder / "err").exists() and words in self.err), self.err

    def go_on(self) -> None:
        """Let it leave that point."""
        (self._folder / _GO).touch()

    def exit_code(self) -> int:
        """Waits for its end."""
        self._process.join(SECONDS)
        assert self._process.exitcode is not None, f"It hangs: {self.out} {self.err}"
        return self._process.exitcode

    def end(self) -> None:
        """Whatever it does."""
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._process.close()


@contextlib.contextmanager
def running(module: str, *arguments: str | Path, folder: Path, hook: tuple[str, int] | None = None) -> Iterator[Victim]:
    """A victim that is gone afterwards."""
    victim = Victim(module, *arguments, folder=folder, hook=hook)
    try:
        yield victim
    finally:
        victim.end()


def _within(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _live(module: str, arguments: list[str], folder: Path, hook: tuple[str, int] | None) -> None:
    os.chdir(folder)
    for name, descriptor in (("out", 1), ("err", 2)):
        with Path(name).open("w") as file:
            os.dup2(file.fileno(), descriptor)
    for name in [name for name in os.environ if name.startswith("PG") or name == "DATABASE_URL"]:
        del os.environ[name]

    def pause() -> None:
        Path(_REACHED).touch()
        _within(Path(_GO).exists)

    if hook is not None:
        _HOOKS[hook[0]](hook[1], pause)
    leave(importlib.import_module(module).main(arguments))


def _pause_at_batch(number: int, pause: Callable[[], None]) -> None:
    """Between two batches of one table, on the thread that reads."""
    pipeline: Any = importlib.import_module("etl.runs.pipeline")
    read = pipeline.read_batches

    def read_batches(*arguments: Any, **options: Any) -> Iterator[Any]:
        for count, batch in enumerate(read(*arguments, **options), start=1):
            if count == number:
                pause()
            yield batch

    pipeline.read_batches = read_batches


def _pause_before_report(_number: int, pause: Callable[[], None]) -> None:
    """Behind COMMIT, before anything of the report is written."""
    record: Any = importlib.import_module("etl.runs.record")
    write = record.write_report

    def write_report(*arguments: Any) -> Path:
        pause()
        return write(*arguments)

    record.write_report = write_report


_HOOKS = {READING: _pause_at_batch, REPORTING: _pause_before_report}
