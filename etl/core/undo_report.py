"""The result of an undo as data: what `report.json` holds, what was taken back, and what was left for which reason."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import orjson

from etl.core.redaction import with_controls_escaped
from etl.core.report import TOOL, TargetReport
from etl.core.undo_record import UndoKind
from etl.core.version import __version__


class UndoOutcome(StrEnum):
    """How an undo ended."""

    UNDONE = "undone"
    PARTLY = "partly"  # something was left
    DRY_RUN = "dry-run"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"


class LeftReason(StrEnum):
    """Why rows were left."""

    REFERENCED = "referenced"
    CHANGED = "changed_since"
    REWRITTEN = "rewritten"
    KEPT = "kept_by_target"
    CONFLICT = "conflict"

    @property
    def words(self) -> str:
        """The reason for people."""
        return _WORDS[self]


_WORDS = {
    LeftReason.REFERENCED: "rows that the run did not write refer to them",
    LeftReason.CHANGED: "written since the run: changed rows of the run, or new ones",
    LeftReason.REWRITTEN: "the whole table was rewritten since the run, so its rows cannot be told apart",
    LeftReason.KEPT: "a trigger, rule or policy of the target kept them",
    LeftReason.CONFLICT: "the old row does not fit to what is there now",
}


@dataclass(frozen=True)
class LeftRows:
    """Rows of a table (by the source's name) that were left for one reason; some of their keys as people may see them.

    Where the reason is that they were changed, `rows` of the table were written since, among them those of the run.
    """

    table: str
    reason: LeftReason
    rows: int
    keys: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True)
class TableUndone:
    """What became of one table. `target` is its qualified name now; None: it was dropped since.

    The run `inserted`, `updated` and `deleted` so many rows, of which are now `removed`, `restored` and `put_back`;
    `gone` are inserted rows that are no longer as the run left them, changed or deleted.
    """

    name: str
    target: str | None
    inserted: int
    updated: int
    deleted: int
    removed: int = 0
    restored: int = 0
    put_back: int = 0
    gone: int = 0

    @property
    def taken_back(self) -> int:
        """Rows of all three kinds."""
        return self.removed + self.restored + self.put_back


@dataclass(frozen=True)
class ThingUndone:
    """A sequence, or a table, column or view that the run created. `done` is what became of it, in words."""

    kind: str
    name: str
    taken_back: bool
    done: str


@dataclass(frozen=True)
class UndoReportData:
    """Everything that an undo has to say. `undone_folder` is the report folder of the run that was undone."""

    run_id: str
    undone_run: str
    undone_folder: Path
    kind: UndoKind
    started_at: datetime
    finished_at: datetime
    outcome: UndoOutcome
    target: TargetReport
    tables: tuple[TableUndone, ...] = ()
    left: tuple[LeftRows, ...] = ()
    created: tuple[ThingUndone, ...] = ()
    sequences: tuple[ThingUndone, ...] = ()
    remarks: tuple[str, ...] = ()
    folder: Path | None = None
    error: str | None = None
    timings: Mapping[str, float] = field(default_factory=dict)

    @property
    def dry_run(self) -> bool:
        """Whether nothing was to be changed."""
        return self.outcome is UndoOutcome.DRY_RUN

    @property
    def complete(self) -> bool:
        """Whether nothing of the run is left."""
        return not self.left and all(thing.taken_back for thing in self.created)

    @property
    def exit_code(self) -> int:
        """0 where everything is (or would be) taken back, 3 where something is left, 1 where the undo failed."""
        if self.outcome is UndoOutcome.FAILED:
            return 1
        return 0 if self.complete and self.outcome is not UndoOutcome.UNCONFIRMED else 3

    @property
    def seconds(self) -> float:
        """Wall-clock time of the undo."""
        return (self.finished_at - self.started_at).total_seconds()

    def total(self, count: str) -> int:
        """Sum of one of the tables' counts, such as "removed"."""
        return sum(getattr(table, count) for table in self.tables)

    def to_dict(self) -> dict[str, object]:
        """The object of `report.json`."""
        return {
            "run_id": self.run_id,
            "undone_run": self.undone_run,
            "undone_folder": str(self.undone_folder),
            "kind": self.kind.value,
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat(),
            "seconds": round(self.seconds, 3),
            "tool": {"name": TOOL, "version": __version__},
            "target": asdict(self.target),
            "outcome": self.outcome.value,
            "exit_code": self.exit_code,
            "error": self.error,
            "remarks": list(self.remarks),
            "tables": [asdict(table) for table in self.tables],
            "left": [asdict(rows) for rows in self.left],
            "created": [asdict(thing) for thing in self.created],
            "sequences": [asdict(thing) for thing in self.sequences],
            "timings": {stage: round(seconds, 3) for stage, seconds in self.timings.items()},
        }

    def to_json(self) -> bytes:
        """`to_dict` as indented JSON, UTF-8."""
        written = orjson.dumps(self.to_dict(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        return with_controls_escaped(written)  # it may be printed on a terminal

    def __repr__(self) -> str:
        return f"<Undo {self.run_id} of {self.undone_run}: {self.outcome.value}>"
