"""Rows on which PostgreSQL has the last word: kept in a temporary file until the COPY is over."""

import pickle
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Self

from etl.comparison.asking import keeps_large, large_digest, spellings
from etl.comparison.cell_results import Question
from etl.comparison.families import family_of
from etl.comparison.large import mark_parts
from etl.comparison.orphans import Reference, are_orphans
from etl.core.report import Difference
from etl.core.types import TargetType
from etl.core.values import LargeText
from etl.target.session import Session

ASKED_AT_ONCE = 1_000


class Asked(NamedTuple):
    """A question, the difference that it is if PostgreSQL denies it, and the repair that it asks about, if any."""

    question: Question | tuple[Reference, ...]  # any of these
    difference: Difference
    repair: str | None = None


@dataclass(frozen=True)
class Doubt:
    """A pair of rows: the differences that are certain, those that are some only if PostgreSQL says so, and the cells
    that are equal only after a repair, each as its column and the repair in words."""

    differences: list[Difference] = field(default_factory=list)
    questions: list[Asked] = field(default_factory=list)
    repaired: list[tuple[str, str]] = field(default_factory=list)


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

    def answered(self, session: Session, zone: str) -> Iterator[Doubt]:
        """For each doubt what is left once PostgreSQL was asked; no questions are."""
        self._file.seek(0)
        page: list[Doubt] = []
        for doubt in self._kept():
            page.append(doubt)
            large = any(_is_large(asked.question) for asked in doubt.questions)
            if large or len(page) >= ASKED_AT_ONCE:
                yield from _answers(session, zone, page)
                page = []
        yield from _answers(session, zone, page)

    def _kept(self) -> Iterator[Doubt]:
        while True:
            try:
                yield pickle.load(self._file)  # our own file, nameless and private
            except EOFError:
                return


def _is_large(question: Question | tuple[Reference, ...]) -> bool:
    return isinstance(question, Question) and isinstance(question.source, LargeText)


def _answers(session: Session, zone: str, page: Sequence[Doubt]) -> Iterator[Doubt]:
    """One query for each type, whatever the number of rows; large values one by one."""
    asked: dict[TargetType, list[str]] = {}
    questions = [entry.question for doubt in page for entry in doubt.questions]
    references = [one for question in questions if not isinstance(question, Question) for one in question]
    orphans = iter(are_orphans(session, zone, references))
    for question in questions:
        if isinstance(question, Question) and isinstance(question.source, str) and not _is_mark(question.written):
            asked.setdefault(question.target, []).extend((question.source, question.written))
    spelled = {target: iter(spellings(session, target, texts)) for target, texts in asked.items()}
    for doubt in page:
        found = Doubt(list(doubt.differences), repaired=list(doubt.repaired))
        for question, difference, repair in doubt.questions:
            if not isinstance(question, Question):
                same = sum(next(orphans) for _ in question) > 0  # each has an answer of its own
            elif isinstance(question.source, LargeText) or _is_mark(question.written):
                same = _same_large(session, question)
            else:
                answers = spelled[question.target]
                source, written = next(answers), next(answers)
                same = source is not None and source == written and _is_kept(question)
            if not same:
                found.differences.append(difference)
            elif repair is not None and difference.column is not None:
                found.repaired.append((difference.column, repair))
        yield found


def _is_kept(question: Question) -> bool:
    """PostgreSQL's reading bends some texts: what it writes has to say what was stored."""
    return family_of(question.target).keeps(str(question.source), question.written, question.target)


def _is_mark(written: str) -> bool:
    return mark_parts(written.encode()) is not None


def _same_large(session: Session, question: Question) -> bool:
    source = _large(question.source)
    digest = large_digest(session, question.target, source)
    mark = mark_parts(question.written.encode())
    written = mark[1].encode() if mark else large_digest(session, question.target, _large(question.written))
    if digest is None or digest != written:
        return False
    return keeps_large(session, question.target, source)


def _large(text: str | LargeText) -> LargeText:
    return text if isinstance(text, LargeText) else LargeText(text.encode())
