"""What a run notes about itself so that it can be undone: `undo.json` in its report folder.

Every row in PostgreSQL bears the number of the transaction that wrote it (`xmin`). A run is one transaction, but what
it writes inside of a savepoint bears the savepoint's own number; so the record holds all of them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

UNDO_FILE = "undo.json"
UNDONE_FILE = "undone.json"
OVERWRITTEN = "overwritten"
LEFT = "left"

IDS = 2**32
"""A row bears the last 32 bits of a transaction's number."""


class UndoKind(StrEnum):
    """Which run wrote the record."""

    LOAD = "load"
    SYNC = "sync"


class CreatedKind(StrEnum):
    """What a load may create beside rows."""

    TABLE = "table"
    COLUMN = "column"
    VIEW = "view"


@dataclass(frozen=True)
class UndoTable:
    """A table that the run wrote into, and how many rows it inserted, updated and deleted there.

    `table` is the target's name and `source` the source's; `key` are the target's columns that identify a row.
    """

    schema: str
    table: str
    oid: int
    source: str
    key: tuple[str, ...]
    inserted: int
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True)
class SequenceState:
    """Where a sequence stands, as PostgreSQL keeps it."""

    last_value: int
    is_called: bool


@dataclass(frozen=True)
class UndoSequence:
    """A sequence of the run's tables, before the run and after it."""

    schema: str
    sequence: str
    before: SequenceState
    after: SequenceState


@dataclass(frozen=True)
class Created:
    """A table, a view or a column (of the table `name`) that the run created.

    `definition` is a digest of all that belongs to a table or view; another one says that somebody has changed it.
    """

    kind: CreatedKind
    schema: str
    name: str
    oid: int
    column: str | None = None
    definition: str | None = None


@dataclass(frozen=True)
class UndoRecord:
    """All that is needed to undo a run, and to tell whether the database is still the one that it wrote into.

    `transaction` and `savepoints` are 64-bit numbers of transactions. What the role could not read is None:
    `system_identifier` of the server, `timeline` of its history. `database`, `target` (a URL without password) and
    `embedded` say where the run wrote.
    """

    run: str
    kind: UndoKind
    system_identifier: str | None
    database_oid: int
    transaction: int
    tables: tuple[UndoTable, ...]
    sequences: tuple[UndoSequence, ...] = ()
    created: tuple[Created, ...] = ()
    savepoints: tuple[int, ...] = ()
    timeline: int | None = None
    database: str | None = None
    target: str | None = None
    embedded: bool = False

    @property
    def marks(self) -> tuple[int, ...]:
        """The numbers that the run's rows bear, as `xmin` shows them."""
        return tuple(sorted({number % IDS for number in (self.transaction, *self.savepoints)}))

    def to_dict(self) -> dict[str, object]:
        """For JSON, which has no integers of 64 bits everywhere: numbers of transactions are texts."""
        return {
            **asdict(self),
            "transaction": str(self.transaction),
            "savepoints": [str(number) for number in self.savepoints],
        }

    @classmethod
    def of(cls, read: Mapping[str, Any]) -> "UndoRecord":
        """The record from its JSON form.

        Raises KeyError, TypeError or ValueError where it is none.
        """
        identifier, timeline = read["system_identifier"], read.get("timeline")
        return cls(
            run=str(read["run"]),
            kind=UndoKind(read["kind"]),
            system_identifier=None if identifier is None else str(identifier),
            database_oid=int(read["database_oid"]),
            transaction=int(read["transaction"]),
            tables=tuple(_table(item) for item in read["tables"]),
            sequences=tuple(_sequence(item) for item in read["sequences"]),
            created=tuple(_created(item) for item in read["created"]),
            savepoints=tuple(map(int, read.get("savepoints", ()))),
            timeline=None if timeline is None else int(timeline),
            database=read.get("database"),
            target=read.get("target"),
            embedded=bool(read.get("embedded", False)),
        )


def _table(read: Mapping[str, Any]) -> UndoTable:
    return UndoTable(
        schema=str(read["schema"]),
        table=str(read["table"]),
        oid=int(read["oid"]),
        source=str(read["source"]),
        key=tuple(map(str, read["key"])),
        inserted=int(read["inserted"]),
        updated=int(read["updated"]),
        deleted=int(read["deleted"]),
    )


def _sequence(read: Mapping[str, Any]) -> UndoSequence:
    return UndoSequence(str(read["schema"]), str(read["sequence"]), _state(read["before"]), _state(read["after"]))


def _state(read: Mapping[str, Any]) -> SequenceState:
    return SequenceState(int(read["last_value"]), bool(read["is_called"]))


def _created(read: Mapping[str, Any]) -> Created:
    return Created(
        kind=CreatedKind(read["kind"]),
        schema=str(read["schema"]),
        name=str(read["name"]),
        oid=int(read["oid"]),
        column=read.get("column"),
        definition=read.get("definition"),
    )


@dataclass(frozen=True)
class Undone:
    """One undo of a run: written before its COMMIT, so it counts only if its transaction was committed.

    `taken_back`: rows by the oid of their table. `complete`: nothing of the run was left.
    """

    run: str
    at: str
    transaction: int
    complete: bool
    taken_back: Mapping[int, int]

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        rows = {str(oid): count for oid, count in self.taken_back.items()}
        return {**asdict(self), "transaction": str(self.transaction), "taken_back": rows}

    @classmethod
    def of(cls, read: Mapping[str, Any]) -> "Undone":
        """From its JSON form; raises as `UndoRecord.of` does."""
        rows = {int(oid): int(count) for oid, count in read["taken_back"].items()}
        return cls(str(read["run"]), str(read["at"]), int(read["transaction"]), bool(read["complete"]), rows)
