"""How the two schemas differ, and what is done about it: codes for programs, and the words for people in one place."""

from dataclasses import dataclass
from enum import StrEnum

from etl.core.text import counted


class DriftKind(StrEnum):
    """What differs, or is peculiar about a table of the target."""

    TABLE_MISSING_IN_TARGET = "table_missing_in_target"
    TABLE_MISSING_IN_SOURCE = "table_missing_in_source"
    COLUMN_MISSING_IN_TARGET = "column_missing_in_target"
    COLUMN_MISSING_IN_SOURCE = "column_missing_in_source"
    GENERATED_IN_TARGET = "generated_in_target"
    NOT_A_TABLE = "not_a_table"
    NO_COMMON_COLUMN = "no_common_column"
    ROW_SECURITY = "row_security"
    UNLOGGED = "unlogged"
    TRIGGER_WRITES = "trigger_writes"
    TABLE_LEFT_OUT = "table_left_out"
    COLUMN_LEFT_OUT = "column_left_out"
    PARENT_LEFT_OUT = "parent_left_out"


DRIFT_WORDS: dict[str, str] = {
    DriftKind.COLUMN_MISSING_IN_TARGET: "column only in the source",
    DriftKind.COLUMN_MISSING_IN_SOURCE: "column only in the target",
    DriftKind.GENERATED_IN_TARGET: "column that the target computes",
    DriftKind.NOT_A_TABLE: "no table in the target",
    DriftKind.NO_COMMON_COLUMN: "no column in common",
    DriftKind.ROW_SECURITY: "row-level security is in force",
    DriftKind.UNLOGGED: "unlogged table",
    DriftKind.TRIGGER_WRITES: "trigger that writes into a planned table",
    DriftKind.TABLE_LEFT_OUT: "table that the map leaves out",
    DriftKind.COLUMN_LEFT_OUT: "column that the map leaves out",
    DriftKind.PARENT_LEFT_OUT: "refers to a table that the map leaves out",
}
"""The kinds that a reader of the report is shown singly; tables of one side only are listed by their names."""


class DriftAction(StrEnum):
    """What is done about a difference, or what follows from it."""

    STOPPED = "stopped"
    ADDED = "added"
    DROPPED = "dropped"
    DROPPED_BY_LOAD = "dropped_by_load"
    NOT_IN_TARGET = "not_in_target"
    IGNORED_EMPTY = "ignored_empty"
    COMPUTED = "computed"
    COMPUTED_COMPARED = "computed_compared"
    TAKES_DEFAULT = "takes_default"
    STAYS_NULL = "stays_null"
    NOT_MIGRATED = "not_migrated"
    NOT_MIGRATED_UNREADABLE = "not_migrated_unreadable"
    NOT_MIGRATED_OTHER = "not_migrated_other"
    SKIPPED = "skipped"
    NOT_COMPARED = "not_compared"
    ROWS_HIDDEN = "rows_hidden"
    ROWS_WRITTEN = "rows_written"
    LOST_IN_A_CRASH = "lost_in_a_crash"
    LEFT_OUT = "left_out"
    PARENTS_ABSENT = "parents_absent"
    PARENTS_IN_TARGET = "parents_in_target"


_DETAIL = "{detail}"
_ACTION_WORDS = {
    DriftAction.STOPPED: "stopped",
    DriftAction.ADDED: "added",
    DriftAction.DROPPED: "left behind, values kept in dropped/",
    DriftAction.DROPPED_BY_LOAD: "left behind by the load, values in its dropped/",
    DriftAction.NOT_IN_TARGET: "its values are not in the target",
    DriftAction.IGNORED_EMPTY: "ignored: it holds no value",
    DriftAction.COMPUTED: "the target computes it",
    DriftAction.COMPUTED_COMPARED: "the target computes it; the comparison looks at both",
    DriftAction.TAKES_DEFAULT: "takes the target's default",
    DriftAction.STAYS_NULL: "stays NULL",
    DriftAction.NOT_MIGRATED: "not migrated",
    DriftAction.NOT_MIGRATED_UNREADABLE: f"not migrated: a virtual table that cannot be read here ({_DETAIL})",
    DriftAction.NOT_MIGRATED_OTHER: f"not migrated: in the target this is {_DETAIL}",
    DriftAction.SKIPPED: "skipped",
    DriftAction.NOT_COMPARED: "only in the target, not compared",
    DriftAction.ROWS_HIDDEN: (
        "rows that it hides from the connected role are not seen: they count as missing, or not at all"
    ),
    DriftAction.ROWS_WRITTEN: (
        f"{_DETAIL} may write rows into it while others are loaded, beside or in the way of the source's; "
        "ALTER TABLE … DISABLE TRIGGER for the time of the load, or --disable-triggers"
    ),
    DriftAction.LEFT_OUT: "left out knowingly, as the map says",
    DriftAction.PARENTS_ABSENT: (f"{_DETAIL} has no rows in the target: every row here that refers to it is rejected"),
    DriftAction.PARENTS_IN_TARGET: (
        f"{_DETAIL} in the target: rows here whose parent is not among them are rejected; a dry run counts them"
    ),
    DriftAction.LOST_IN_A_CRASH: "a crash of the server empties it; ALTER TABLE … SET LOGGED",
}
KNOWINGLY_DROPPED = frozenset({DriftAction.DROPPED, DriftAction.DROPPED_BY_LOAD})
"""The values stay in the source because somebody has decided so; a file of the load keeps them."""


def action_words(code: DriftAction, detail: str = "") -> str:
    """What a report says of the action; `detail` names the one thing that differs from case to case."""
    return _ACTION_WORDS[code].replace(_DETAIL, detail)


def code_of_words(words: str) -> DriftAction | None:
    """The action behind its words, for reports that were written before actions had codes; None where none fits."""
    return next((code for code, known in _ACTION_WORDS.items() if known == words), None)


@dataclass(frozen=True)
class Drift:
    """One difference between the two schemas, or peculiarity of the target, and what is done about it."""

    table: str
    column: str | None
    kind: DriftKind
    values: int | None  # values or rows concerned
    code: DriftAction
    detail: str = ""  # what the words of the action name besides

    @property
    def action(self) -> str:
        """The action in words."""
        return action_words(self.code, self.detail)

    @property
    def warning(self) -> str | None:
        """What to say of a whole table before its rows move; None where its own line says it."""
        if self.column is not None or self.kind not in DRIFT_WORDS:
            return None
        rows = f" ({counted(self.values, 'row')})" if self.values and self.kind in _COUNTED else ""
        return f"{self.table}: {DRIFT_WORDS[self.kind]}{rows}; {self.action}"


_COUNTED = (DriftKind.TABLE_LEFT_OUT, DriftKind.PARENT_LEFT_OUT)
