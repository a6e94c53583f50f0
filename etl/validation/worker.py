"""A process of its own for Great Expectations, so that its import and its work go on beside the load.

    parent                                   child (`main`)
    suites, latest plausible time    ──→     a Checker: Great Expectations is imported and checks the suites
    (table, Arrow streams)           ──→     Checker.check
    (table, number of rows)          ──→     Checker.check_row_count
                                     ←──     one answer to each, in order: a result or an error

Messages are pickles on the child's stdin and stdout. It ends when its stdin does: also when the
parent is killed.
"""

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, cast

import pyarrow as pa

from etl.core.errors import CannotRun, SuiteError
from etl.core.lazy_imports import postponed_imports
from etl.validation.checker import Checker, Evaluation, import_great_expectations
from etl.validation.process import ValidationProcess
from etl.validation.suites import Suite

# What Great Expectations imports for charts, distribution tests and JSON schemas, none of which a suite may ask for.
# Measured: 1.5 instead of 4.2 CPU seconds (where Jupyter is installed, jsonschema compiles a grammar of its own).
_NEVER_USED = ("altair", "jsonschema", "scipy.stats")


@dataclass(frozen=True)
class _Start:
    suites: tuple[Suite, ...]
    latest: datetime


@dataclass(frozen=True)
class _Batches:
    table: str
    count: int  # so many Arrow streams follow


@dataclass(frozen=True)
class _RowCount:
    table: str
    rows: int


_Request = _Start | _Batches | _RowCount


class Worker:
    """The parent's end, for one thread at a time: each question waits for its answer.

    Raises `SuiteError` where Great Expectations refuses a suite or cannot check by it, `CannotRun` where the process
    has died.
    """

    def __init__(self, process: ValidationProcess) -> None:
        self._process = process

    def start(self, suites: Iterable[Suite], *, latest: datetime) -> None:
        """Make a `Checker` over there."""
        self._ask(_Start(tuple(suites), latest))

    def check(self, table: str, batches: Sequence[pa.Table]) -> list[list[Evaluation]]:
        """`Checker.check` over there."""
        return cast(list[list[Evaluation]], self._ask(_Batches(table, len(batches)), batches))

    def check_row_count(self, table: str, rows: int) -> dict[int, bool]:
        """`Checker.check_row_count` over there."""
        return cast(dict[int, bool], self._ask(_RowCount(table, rows)))

    def _ask(self, request: _Request, batches: Sequence[pa.Table] = ()) -> object:
        try:
            _send(self._process.requests, request)
            for batch in batches:
                _send_table(self._process.requests, batch)
            answer = _receive(self._process.answers)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise CannotRun(
                f"The validation process ended unexpectedly (exit status {self._process.wait()}); it may have been "
                "short of memory. Run again, or without it: --skip-validation."
            ) from error
        if isinstance(answer, BaseException):
            raise answer
        return answer


def main() -> None:
    """The child's end: answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    with postponed_imports(*_NEVER_USED):
        import_great_expectations()  # takes a second and a half: the caller starts early and asks later
    checker: Checker | None = None
    try:
        while True:
            request = cast(_Request, _receive(requests))
            streams = request.count if isinstance(request, _Batches) else 0
            batches = [pa.ipc.open_stream(requests).read_all() for _ in range(streams)]
            answer: object
            try:
                checker, answer = _answer(checker, request, batches)
            except SuiteError as error:
                answer = error
            except Exception:  # noqa: BLE001 - a defect travels to the parent, with its traceback
                answer = RuntimeError(f"The validation process failed:\n{traceback.format_exc()}")
            _send(answers, answer)
    except (EOFError, OSError, pickle.UnpicklingError):
        return  # the parent has gone


def _answer(checker: Checker | None, request: _Request, batches: Sequence[pa.Table]) -> tuple[Checker | None, object]:
    if isinstance(request, _Start):
        return Checker(request.suites, latest=request.latest), None
    if checker is None:
        raise SuiteError("The expectation suites were refused.")
    if isinstance(request, _RowCount):
        return checker, checker.check_row_count(request.table, request.rows)
    return checker, checker.check(request.table, batches)


def _send(pipe: BinaryIO, message: object) -> None:
    pickle.dump(message, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def _send_table(pipe: BinaryIO, batch: pa.Table) -> None:
    with pa.ipc.new_stream(pipe, batch.schema) as writer:  # straight into the pipe: message texts are not copied first
        writer.write_table(batch)
    pipe.flush()


def _receive(pipe: BinaryIO) -> object:
    return pickle.load(pipe)
