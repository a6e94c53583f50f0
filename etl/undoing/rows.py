"""The rows of a run on their way back, table by table: deleted, restored and put back, or left with a reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg2 import sql

from etl.core.errors import TargetError
from etl.core.text import counted
from etl.core.undo_report import LeftReason, LeftRows
from etl.reporting.values import key_text
from etl.target.session import Session
from etl.undoing.delete import delete_inserted, parents_first
from etl.undoing.left import SHOWN_DETAILS, SHOWN_KEYS, LeftBehind
from etl.undoing.overwritten import DELETED, UPDATED, OldRows
from etl.undoing.references import Goes, Kept, Reference, is_kept, kept_by, without_slow_references
from etl.undoing.sequences import Staying
from etl.undoing.written import Marks, WrittenTable

NOBODY = sql.SQL("NULL::text")


@dataclass(frozen=True)
class TakenBack:
    """Rows of a table that were deleted, got their old values again, and came back."""

    removed: int = 0
    restored: int = 0
    put_back: int = 0

    def __add__(self, other: "TakenBack") -> "TakenBack":
        return TakenBack(self.removed + other.removed, self.restored + other.restored, self.put_back + other.put_back)

    def __bool__(self) -> bool:
        return self != TakenBack()


class RunRows:
    """All that a run wrote. `olds` are the rows that it overwrote, by the oid of the table."""

    def __init__(
        self,
        session: Session,
        tables: Sequence[WrittenTable],
        references: Sequence[Reference],
        marks: Marks,
        olds: Mapping[int, OldRows],
        left: LeftBehind,
    ) -> None:
        self._session = session
        self._tables = tables
        self._references = references
        self._marks = marks
        self._olds = olds
        self._left = left
        self._goes: dict[int, Goes] = {oid: old.goes for oid, old in olds.items()}
        self._kept = Kept(session, tables)

    def note_changed(self, table: WrittenTable, taken_before: int) -> int:
        """Names the rows that may be the run's, but were written since; returns how many of its rows are missing.

        Where none is missing, what was written since is not the run's. An earlier undo has `taken_before` so many.
        """
        old = self._olds[table.oid]
        changed = old.changed_since()
        overwritten = self._left.note(table, LeftReason.CHANGED, changed, by=NOBODY, detail="updated by the run")
        lost = old.count(UPDATED, done=False) - old.restorable() - overwritten
        missing = table.record.inserted - taken_before - self._count(table, old.goes("r"))
        if missing < 0 and not table.has_triggers:
            raise TargetError(
                f"{table.shown} has {-missing:,} more rows with the numbers of run {self._marks.record.run} than it "
                "wrote, so these numbers were given twice. Nothing was changed."
            )
        if missing > 0:
            since = sql.SQL("{} AND NOT ({})").format(self._marks.since("r"), changed)
            self._note_written_since(table, since, missing)
        return max(0, missing) + max(0, lost)

    def _note_written_since(self, table: WrittenTable, since: sql.Composable, missing: int) -> None:
        query = "SELECT count(*), count(DISTINCT xmin::text) FROM {} r WHERE {}"
        rows, writers = self._session.rows(sql.SQL(query).format(table.identifier, since))[0]
        if rows >= missing > 1 and writers == 1 and missing == table.record.inserted:
            self._left.rows.append(
                LeftRows(table.record.source, LeftReason.REWRITTEN, rows, detail="as ALTER TABLE does")
            )
        elif rows:
            detail = f"{counted(missing, 'row')} of the run not as it left them"
            self._left.note(table, LeftReason.CHANGED, since, by=NOBODY, detail=detail)

    def forecast(self) -> Mapping[int, TakenBack]:
        """What would go, by the oid of the table; nothing is written but temporary tables."""
        self._kept.find(self._references, self._goes, dict.fromkeys(self._goes, self._marks.on))
        found = {}
        for table in self._tables:
            old = self._olds[table.oid]
            self._note_kept(table)
            removed = self._count(table, self._going(table))
            found[table.oid] = TakenBack(removed, old.restorable(), old.count(DELETED, done=False))
        return found

    def remaining(self, back: Mapping[int, TakenBack]) -> dict[int, int]:
        """Rows that each table would still hold."""
        return {
            table.oid: self._count(table, sql.SQL("true")) - back[table.oid].removed + back[table.oid].put_back
            for table in self._tables
        }

    def take_back(self) -> Mapping[int, TakenBack]:
        """Round after round, as what one row brings or leaves may make room for another; by the oid of the table."""
        groups = parents_first(self._tables, self._references)
        expected = {table.oid: self._count(table, self._goes[table.oid]("r")) for table in self._tables}
        back = dict.fromkeys(expected, TakenBack())
        with without_slow_references(self._session, self._references, expected):
            again = True
            while again:
                moved = self._round(groups)
                back = {oid: done + moved[oid] for oid, done in back.items()}
                waiting = any(
                    old.count(change, done=False) for old in self._olds.values() for change in (UPDATED, DELETED)
                )
                again = waiting and any(moved.values())
        for table in self._tables:
            self._note_kept(table)
            self._left.note(table, LeftReason.KEPT, self._going(table), by=NOBODY)
            self._note_conflicts(table)
        return back

    def _round(self, groups: Sequence[Sequence[WrittenTable]]) -> dict[int, TakenBack]:
        """Old rows first, so that no ON DELETE reaches a row that is to be restored."""
        came = {
            table.oid: TakenBack(0, put_back=self._olds[table.oid].put_back(), restored=self._olds[table.oid].restore())
            for group in groups
            for table in group
        }
        self._kept.find(self._references, self._goes)
        removed = delete_inserted(self._session, groups, self._goes)
        return {oid: done + TakenBack(removed[oid]) for oid, done in came.items()}

    def staying(self) -> Mapping[int, Staying]:
        """Which rows of each table stay that were not there before the run, by its oid."""
        stays = sql.SQL("({} OR {} AND NOT ({}))")
        return {
            table.oid: (
                table.identifier,
                stays.format(self._marks.since("r"), self._marks.on("r"), self._going(table)),
            )
            for table in self._tables
        }

    def _going(self, table: WrittenTable) -> sql.Composable:
        return sql.SQL("{} AND NOT {}").format(self._goes[table.oid]("r"), is_kept("r"))

    def _note_kept(self, table: WrittenTable) -> None:
        which = sql.SQL("{} AND {}").format(self._goes[table.oid]("r"), is_kept("r"))
        self._left.note(table, LeftReason.REFERENCED, which, by=kept_by("r"))

    def _note_conflicts(self, table: WrittenTable) -> None:
        keys: list[str] = []
        said: dict[str, None] = {}
        count = 0
        for change, row, why in self._olds[table.oid].left():
            key = {name: row.get(name) for name in table.key}
            self._left.write(
                table.record.source, LeftReason.CONFLICT, {"key": key, "row": row, "by": why, "was": change}
            )
            count += 1
            if len(keys) < SHOWN_KEYS:
                keys.append(key_text(key))
            if why and len(said) < SHOWN_DETAILS:
                said[why] = None
        if count:
            found = LeftRows(table.record.source, LeftReason.CONFLICT, count, tuple(keys), ", ".join(said))
            self._left.rows.append(found)

    def _count(self, table: WrittenTable, which: sql.Composable) -> int:
        return int(self._session.value(sql.SQL("SELECT count(*) FROM {} r WHERE {}").format(table.identifier, which)))
