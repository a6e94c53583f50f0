"""Ctrl-C and SIGTERM: heard at once while a server works or keeps silent, and held back once COMMIT is under way.

psycopg2 hears no signal while it waits for the server, so whatever may wait runs on a thread of its own and the main
thread waits beside it. A stop never asks the network: psycopg2's `cancel()` opens a connection and would wait without
limit (and holding Python's interpreter lock) where nothing answers.
"""

import concurrent.futures
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

from etl.concurrency.background import run_in_background

T = TypeVar("T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_Future = concurrent.futures.Future


def ended(future: "_Future[Any]", *, seconds: float) -> bool:
    """Waits so long at the most; signals are heard meanwhile.

    Not `Thread.join`: interrupted by a signal, it takes the running thread for a dead one (Python 3.11, 3.12).
    """
    return bool(concurrent.futures.wait([future], timeout=seconds).done)


def interruptible(work: Callable[[], T], *, hang_up: Callable[[], None], let_go: Callable[[], None] | None = None) -> T:
    """The result of `work`; Ctrl-C calls `hang_up`, which ends whatever waits for the server.

    `let_go` ends what else the work may be waiting for. When this returns or raises, the work has come to its end.
    """
    future = run_in_background(work, name="etl-load")
    try:
        while not ended(future, seconds=0.2):
            pass
    except BaseException:
        _stop(future, hang_up, let_go)
        raise
    return future.result()


def _stop(future: "_Future[Any]", hang_up: Callable[[], None], let_go: Callable[[], None] | None) -> None:
    """Ends the work; further signals do not disturb that."""
    with Interruptions() as interruptions:
        interruptions.hold_back()
        hang_up()
        if let_go is not None:
            let_go()
        while not ended(future, seconds=0.2):
            pass


def abandonable(work: Callable[[], T]) -> T:
    """The result of `work`, which connects to a server; on Ctrl-C it is left to itself, since nothing can stop it."""
    future = run_in_background(work, name="etl-connect")
    while not ended(future, seconds=0.2):
        pass
    return future.result()


class Interruptions:
    """Signals from `hold_back` to the end of the context: counted in `heard`, and obeyed by whoever looks there.

    A context manager; without `hold_back`, and on any thread but the main one, it changes nothing.
    """

    def __init__(self) -> None:
        self.heard = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def hold_back(self) -> None:
        """From here on no KeyboardInterrupt is raised."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._before.setdefault(number, signal.signal(number, self._await_answers))

    def _await_answers(self, _number: int, _frame: FrameType | None) -> None:
        self.heard += 1
