"""Rows on which PostgreSQL has the last word: kept in a temporary file until the COPY is over."""

import pickle
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from etl.comparison.canonical import large_spelling, spellings
from etl.comparison.large import mark_parts
from etl.comparison.rewritten import judge_rewritten
from etl.comparison.value import Question
from etl.core.report import Difference
from etl.core.types import Rewriting
from etl.core.values import LargeText
from etl.target.session import Session

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
        page: list[Doubt] = []
        for doubt in self._kept():
            page.append(doubt)
            large = any(isinstance(question.source, LargeText) for question, _ in doubt.questions)
            if large or len(page) >= ASKED_AT_ONCE:
                yield from _answers(session, page)
                page = []
        yield from _answers(session, page)

    def _kept(self) -> Iterator[Doubt]:
        while True:
            try:
                yield pickle.load(self._file)  # our own file, nameless and private
            except EOFError:
                return


def _answers(session: Session, page: Sequence[Doubt]) -> Iterator[list[Difference]]:
    """One query for each type, whatever the number of rows; large values one by one."""
    asked: dict[str, list[str]] = {}
    for question, _ in (entry for doubt in page for entry in doubt.questions):
        if isinstance(question.source, str) and not _is_mark(question.target):
            asked.setdefault(question.type_sql, []).extend((question.source, question.target))
    spelled = {type_sql: iter(spellings(session, type_sql, texts)) for type_sql, texts in asked.items()}
    for doubt in page:
        found = list(doubt.differences)
        for question, difference in doubt.questions:
            if isinstance(question.source, LargeText) or _is_mark(question.target):
                same = _same_large(session, question)
            else:
                answers = spelled[question.type_sql]
                source, target = next(answers), next(answers)
                same = source is not None and source == target and _means_that(question)
            if not same:
                found.append(difference)
        yield found


def _means_that(question: Question) -> bool:
    """The server's reading bends some texts: what it writes has to say what was stored."""
    if question.type_sql == "jsonb":
        return True
    return judge_rewritten(str(question.source), question.target) is not Rewriting.BENT


def _is_mark(target: str) -> bool:
    return mark_parts(target.encode()) is not None


def _same_large(session: Session, question: Question) -> bool:
    digest = large_spelling(session, question.type_sql, _large(question.source), digest=True)
    mark = mark_parts(question.target.encode())
    if mark is not None:
        return digest == mark[1].encode()
    return digest is not None and digest == large_spelling(
        session, question.type_sql, _large(question.target), digest=True
    )


def _large(text: str | LargeText) -> LargeText:
    return text if isinstance(text, LargeText) else LargeText(text.encode())
