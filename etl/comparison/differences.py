"""What a comparison found: every difference goes to a private file at once, a sample and totals stay in memory."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from etl.core.difference_kinds import DifferenceKind
from etl.core.redaction import HIDDEN, is_secret
from etl.core.report import Difference, DifferenceTotal
from etl.files.private_files import PrivateFolder, RowFile

SAMPLE_ROWS = 100  # of each table
SAMPLE_OF_KIND = 20  # of each column and kind, so that the many of one do not hide the others
SHOWN_CHARACTERS = 400
SHIFTS_COUNTED = 50  # different shifts of one column that are told apart


@dataclass(frozen=True)
class _Group:
    column: str | None
    kind: DifferenceKind
    shift_seconds: float | None
    present_before: bool


@dataclass(frozen=True)
class DifferenceCounts:
    """Differences by column and kind, values of each column that the type narrows, and values that were compared.

    Counts of parts of a table add up to those of the table, in whatever groups they are added.
    """

    groups: Counter[_Group] = field(default_factory=Counter)
    narrowed: Counter[str] = field(default_factory=Counter)
    compared: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "DifferenceCounts") -> "DifferenceCounts":
        return DifferenceCounts(
            self.groups + other.groups, self.narrowed + other.narrowed, self.compared + other.compared
        )

    def clear(self) -> None:
        """Forgets all of them."""
        for counter in (self.groups, self.narrowed, self.compared):
            counter.clear()

    def totals(self, table: str) -> Iterator[DifferenceTotal]:
        """Rows by column and kind, the most frequent first."""
        for group, rows in self.groups.most_common():
            yield DifferenceTotal(
                table=table,
                column=group.column,
                kind=group.kind,
                rows=rows,
                shift_seconds=group.shift_seconds,
                whole_column=group.kind is DifferenceKind.TIME_SHIFTED
                and group.shift_seconds is not None
                and rows == self.compared[group.column or ""],
                present_before=group.present_before,
            )
        for column, rows in self.narrowed.most_common():
            if rows:
                yield DifferenceTotal(table, column, DifferenceKind.NARROWED, rows)


@dataclass
class TableFindings:
    """The differences of one table; use it in a `with` statement, which closes the file."""

    folder: Path
    table: str
    name: str = "differences"  # of the folder within the report's
    sample: list[Difference] = field(default_factory=list)
    counts: DifferenceCounts = field(default_factory=DifferenceCounts)

    def __enter__(self) -> Self:
        self._file = RowFile(PrivateFolder(self.folder / self.name), self.table)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def restart(self) -> None:
        """Forgets everything: the table is compared again, in another order."""
        self._file.restart()
        self.sample.clear()
        self.counts.clear()

    def add(self, difference: Difference) -> None:
        """Writes one difference."""
        self._file.write(difference.to_dict())
        group = self._group(difference)
        self.counts.groups[group] += 1
        if self.counts.groups[group] <= SAMPLE_OF_KIND and len(self.sample) < SAMPLE_ROWS:
            self.sample.append(_for_people(difference))

    def _group(self, difference: Difference) -> _Group:
        group = _Group(
            difference.column, DifferenceKind(difference.kind), difference.shift_seconds, difference.present_before
        )
        if group.shift_seconds is None or group in self.counts.groups:
            return group
        shifts = sum(known.column == group.column and known.shift_seconds is not None for known in self.counts.groups)
        return group if shifts < SHIFTS_COUNTED else _Group(group.column, group.kind, None, group.present_before)


def _for_people(difference: Difference) -> Difference:
    """The sample in the report holds no secrets and no more than the surroundings of what differs in long texts."""
    masked = {name: HIDDEN if is_secret(name) else value for name, value in (difference.key or {}).items()}
    source, target = difference.source, difference.target
    if any(is_secret(name) for name in (difference.column, difference.target_column) if name is not None):
        source, target = (None if value is None else HIDDEN for value in (source, target))
    elif isinstance(source, str) and isinstance(target, str):
        source, target = _excerpt(source, target)
    elif isinstance(target, str):
        target = target[:SHOWN_CHARACTERS]
    return Difference(
        table=difference.table,
        key=masked if difference.key is not None else None,
        column=difference.column,
        source=source[:SHOWN_CHARACTERS] if isinstance(source, str) else _without_secrets(source),
        storage=difference.storage,
        target=target if isinstance(target, str) or target is None else _without_secrets(target),
        kind=difference.kind,
        shift_seconds=difference.shift_seconds,
        present_before=difference.present_before,
        rowid=difference.rowid,
        target_column=difference.target_column,
    )


def _without_secrets(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    return {
        name: HIDDEN if is_secret(str(name)) else part[:SHOWN_CHARACTERS] if isinstance(part, str) else part
        for name, part in value.items()
    }


def _excerpt(source: str, target: str) -> tuple[str, str]:
    if max(len(source), len(target)) <= SHOWN_CHARACTERS:
        return source, target
    pairs = enumerate(zip(source, target, strict=False))
    first = next((place for place, (one, other) in pairs if one != other), min(len(source), len(target)))
    start = max(0, first - SHOWN_CHARACTERS // 4)
    mark = "…" if start else ""
    return tuple(mark + text[start : start + SHOWN_CHARACTERS] for text in (source, target))  # type: ignore[return-value]
