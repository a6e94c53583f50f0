"""Rows on which PostgreSQL has the last word: kept in a temporary file until the COPY is over."""

import pickle
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType
from typing import Self

from etl.comparison.canonical import spellings
from etl.comparison.value import Question
from etl.report import Difference
from etl.session import Session

ASKED_AT_ONCE = 1_000


@dataclass(frozen=True)
class Doubt:
    """A pair of rows: the differences that are certain, and those that are some only if PostgreSQL says so."""

    differences: list[Difference] = field(default_factory=list)
    questions: list[tuple[Question, Difference]] = field(default_factory=list)


class Questions:
    """A pile of doubts that takes no memory; use it in a `with` statement."""

    def __enter__(self) -> Self:
        self._file = tempfile.TemporaryFile()  # closed at the end of the block
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def put(self, doubt: Doubt) -> None:
        """Keeps a doubt."""
        pickle.dump(doubt, self._file)

    def answered(self, session: Session) -> Iterator[list[Difference]]:
        """For each doubt the differences that are left once PostgreSQL was asked."""
        self._file.seek(0)
        doubts = self._kept()
        while page := list(islice(doubts, ASKED_AT_ONCE)):
            yield from _answers(session, page)

    def _kept(self) -> Iterator[Doubt]:
        while True:
            try:
                yield pickle.load(self._file)  # our own file, nameless and private
            except EOFError:
                return


def _answers(session: Session, page: Sequence[Doubt]) -> Iterator[list[Difference]]:
    """One query for each type, whatever the number of rows."""
    asked: dict[str, list[str]] = {}
    for question, _ in (entry for doubt in page for entry in doubt.questions):
        asked.setdefault(question.type_sql, []).extend((question.source, question.target))
    spelled = {type_sql: iter(spellings(session, type_sql, texts)) for type_sql, texts in asked.items()}
    for doubt in page:
        found = list(doubt.differences)
        for question, difference in doubt.questions:
            answers = spelled[question.type_sql]
            source, target = next(answers), next(answers)
            if source is None or source != target:
                found.append(difference)
        yield found
