"""What a run notes on its way so that it can be undone; the record is written before the COMMIT.

`etl.core.undo_record` says what is noted. A run calls `begin` outside of any savepoint, before its first row, when its
rights are asked for and other writers wait; and `write` at its end.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from etl.core.plan import TablePlan
from etl.core.undo_record import Created, SequenceState, UndoKind, UndoRecord, UndoSequence, UndoTable
from etl.files.undo_files import write_undo_record
from etl.runs.connect import Target
from etl.target.identity import identify, marks_of_triggers, next_number, own_number, whole_numbers
from etl.target.sequences import SequenceName, sequence_states, sequences_of
from etl.target.session import Session


@dataclass(frozen=True)
class Wrote:
    """How many rows a run inserted into a table, updated and deleted there."""

    plan: TablePlan
    inserted: int
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True)
class UndoNotes:
    """The notes of one run."""

    run: str
    kind: UndoKind
    target: Target
    session: Session
    transaction: int
    locked_since: int
    sequences: Mapping[SequenceName, SequenceState]

    @classmethod
    def begin(
        cls, run: str, kind: UndoKind, target: Target, session: Session, plans: Sequence[TablePlan]
    ) -> "UndoNotes":
        """Notes where the sequences of the tables stand, and from here on every savepoint of the session."""
        session.mark_savepoints()
        return cls(
            run=run,
            kind=kind,
            target=target,
            session=session,
            transaction=own_number(session),
            locked_since=next_number(session),
            sequences=sequence_states(session, sequences_of(session, plans)),
        )

    def write(self, folder: Path, wrote: Iterable[Wrote], created: Iterable[Created] = ()) -> None:
        """Writes the record into the report folder; raises `CannotRun` where that cannot be."""
        write_undo_record(folder, self.record(wrote, created))

    def record(self, wrote: Iterable[Wrote], created: Iterable[Created] = ()) -> UndoRecord:
        """What is known by now, at the run's end."""
        identity = identify(self.session)
        wrote = [table for table in wrote if table.inserted or table.updated or table.deleted]
        ruled = [table.plan.target for table in wrote if table.plan.target.has_triggers and table.plan.target.lockable]
        savepoints = whole_numbers(self._marks(), self.transaction)
        hidden = marks_of_triggers(self.session, ruled, self.locked_since, max(savepoints))
        savepoints = whole_numbers({*savepoints, *hidden}, self.transaction)
        after = sequence_states(self.session, self.sequences)
        return UndoRecord(
            run=self.run,
            kind=self.kind,
            system_identifier=identity.system_identifier,
            database_oid=identity.database_oid,
            transaction=self.transaction,
            tables=tuple(map(_table, wrote)),
            sequences=tuple(
                UndoSequence(*name, before, after[name])
                for name, before in self.sequences.items()
                if after[name] != before
            ),
            created=tuple(created),
            savepoints=savepoints,
            timeline=identity.timeline,
            database=identity.database,
            target=self.target.display_url,
            embedded=self.target.embedded,
        )

    def _marks(self) -> list[int]:
        """Those of all savepoints; the last one is opened here, and so is higher than any that wrote a row."""
        with self.session.savepoint():
            pass
        return self.session.savepoint_marks()


def _table(wrote: Wrote) -> UndoTable:
    target = wrote.plan.target
    return UndoTable(
        schema=target.schema,
        table=target.name,
        oid=target.oid,
        source=wrote.plan.name,
        key=tuple(column.target for column in wrote.plan.key),
        inserted=wrote.inserted,
        updated=wrote.updated,
        deleted=wrote.deleted,
    )
