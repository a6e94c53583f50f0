"""One spelling for each value of a type, the same from SQLite and from PostgreSQL: for keys and rows that have to be
sorted and matched although the two databases order or spell them differently.

What has many spellings (intervals, arrays, JSON …) PostgreSQL is asked to spell.
"""

from collections.abc import Sequence

from etl.comparison.asking import keeps_large, large_spelling, spellings
from etl.comparison.cell_results import Reading
from etl.comparison.families import Spell, family_of
from etl.comparison.large import mark_parts
from etl.comparison.meaning import MeaninglessError
from etl.comparison.other_classes import as_taken
from etl.comparison.repairs import as_repaired
from etl.core.plan import ColumnPlan
from etl.core.types import TargetType
from etl.core.values import LargeText, StorageValue
from etl.target.session import Session

_MEANINGLESS = b"\xff"  # is no UTF-8, so it never meets anything


class Canonical:
    """Spells SQLite values; wall clock times are read in `zone`."""

    def __init__(self, session: Session, zone: str) -> None:
        self._session = session
        self._zone = zone

    def of_columns(
        self, columns: Sequence[ColumnPlan], values: Sequence[Sequence[StorageValue]]
    ) -> list[list[bytes | None]]:
        """The values of each column, spelled; None for NULL, bytes that match nothing for what has no meaning."""
        return [self._of_column(column, cells) for column, cells in zip(columns, values, strict=True)]

    def _of_column(self, column: ColumnPlan, cells: Sequence[StorageValue]) -> list[bytes | None]:
        if column.repairs:
            reading = Reading(column.zone or self._zone, column.unit)
            cells = [as_repaired(cell, column, reading) for cell in cells]
        spell = family_of(column.type).spell
        if spell is None:
            return self._asked(column.type, cells)
        return [None if cell is None else self._spelled(spell, cell, column) for cell in cells]

    def _spelled(self, spell: Spell, value: StorageValue, column: ColumnPlan) -> bytes:
        try:
            reading = Reading(column.zone or self._zone, column.unit)
            return spell(as_taken(value, column.type), column.type, reading).encode()
        except MeaninglessError:
            return _MEANINGLESS

    def _asked(self, target: TargetType, cells: Sequence[StorageValue]) -> list[bytes | None]:
        """Each distinct text once; what the server reads as something else has no spelling."""
        if any(isinstance(cell, LargeText) for cell in cells):
            return [self._asked_singly(target, cell) for cell in cells]
        texts = [None if cell is None else _text(cell, target) for cell in cells]
        distinct = [text for text in dict.fromkeys(texts) if text is not None]
        keeps = family_of(target).keeps
        spelled: dict[str | None, bytes] = {
            text: spelling
            for text, spelling in zip(distinct, spellings(self._session, target, distinct), strict=True)
            if spelling is not None and (mark_parts(spelling) or keeps(text, spelling.decode(), target))
        }
        return [
            None if cell is None else spelled.get(text, _MEANINGLESS) for cell, text in zip(cells, texts, strict=True)
        ]

    def _asked_singly(self, target: TargetType, cell: StorageValue) -> bytes | None:
        if not isinstance(cell, LargeText):
            return self._asked(target, [cell])[0]
        return _spelled_large(self._session, target, cell) or _MEANINGLESS


def _spelled_large(session: Session, target: TargetType, text: LargeText) -> bytes | None:
    spelling = large_spelling(session, target, text)
    return spelling if spelling is not None and keeps_large(session, target, text) else None


def _text(value: StorageValue, target: TargetType) -> str | None:
    try:
        return family_of(target).text(as_taken(value, target), target)
    except MeaninglessError:
        return None
