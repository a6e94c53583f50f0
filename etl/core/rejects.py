"""Why a row is rejected: a code for programs, and beside it the words for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from etl.core.repairs import HelpfulWish
from etl.core.values import StorageValue


class RejectStage(StrEnum):
    """Where on its way a row was rejected."""

    CONVERT = "convert"
    VALIDATE = "validate"
    LOAD = "load"


class RejectRule(StrEnum):
    """What a row breaks. The codes are stable; the words beside them may become better."""

    # The value has no meaning in the target's type:
    OTHER_STORAGE = "other_storage"  # a BLOB for text, a number for bytes
    NOT_A_BOOLEAN = "not_a_boolean"
    NOT_A_NUMBER = "not_a_number"
    NOT_A_WHOLE_NUMBER = "not_a_whole_number"
    OUT_OF_RANGE = "out_of_range"
    NOT_EXACT = "not_exact"  # as a floating point number
    TOO_FINE = "too_fine"  # more digits than the type keeps
    TOO_LONG = "too_long"  # more characters than the column takes
    WRONG_LENGTH = "wrong_length"  # another number of bits than the column takes
    NOT_A_TIME = "not_a_time"  # no date, time of day, or both
    NO_SUCH_TIME = "no_such_time"  # in the calendar, or in the zone whose clocks went forward
    AMBIGUOUS_TIME = "ambiguous_time"  # twice in the zone whose clocks went back
    AMBIGUOUS_UNIT = "ambiguous_unit"  # of a number that is a time
    NO_OFFSET = "no_offset"  # of a time inside of an array, a range or a row, where a zone is assumed
    NOT_AN_INTERVAL = "not_an_interval"
    PART_LOST = "part_lost"  # the clock of a date, the offset of a wall clock time
    NOT_JSON = "not_json"
    DUPLICATE_JSON_KEY = "duplicate_json_key"
    INVALID_UTF8 = "invalid_utf8"
    INVALID_UNICODE = "invalid_unicode"  # half a surrogate pair
    NUL_CHARACTER = "nul_character"
    NOT_BYTES = "not_bytes"  # in hexadecimal
    NOT_BITS = "not_bits"
    NOT_A_UUID = "not_a_uuid"
    NOT_AN_ADDRESS = "not_an_address"  # of a network or of hardware
    NOT_AN_OID = "not_an_oid"
    NOT_IN_FORM = "not_in_form"  # of an array, a range or a row
    # The server, the expectations or other rows are against it:
    NOT_ACCEPTED = "not_accepted"  # the server's input of the type, or a check of its domain, refuses the value
    KEPT_OTHERWISE = "kept_otherwise"  # the server would keep another value than this
    EXPECTATION = "expectation"
    NULL_IN_REQUIRED = "null_in_required"
    CHECK = "check"
    DUPLICATE_IN_SOURCE = "duplicate_in_source"
    BLOCKED = "blocked"  # a row of the target has one of its unique values
    BLOCKED_BY_TRIGGER = "blocked_by_trigger"  # and a trigger has written that row in this load
    PARENT_MISSING = "parent_missing"
    PARENT_REJECTED = "parent_rejected"
    PARENT_SPELLED_OTHERWISE = "parent_spelled_otherwise"
    PARENT_WAITS = "parent_waits"  # for this row in turn
    LEFT_OUT = "left_out"  # by a trigger, rule or policy of the target, in silence
    REFUSED = "refused"  # by the server, for another reason


@dataclass(frozen=True)
class Fault:
    """What all rows with the same fault share.

    `column` is the source's column at fault, None where it is none in particular; `words` tell the fault without the
    row's values; `constraint` is the name of the target's foreign key that is broken, so far as one is known; `repairs`
    would together have let the rows in.
    """

    stage: RejectStage
    code: RejectRule
    column: str | None
    words: str
    constraint: str | None = None
    repairs: tuple[HelpfulWish, ...] = ()


class StatedFault(NamedTuple):
    """A fault of one row, and the reason that tells it with the row's values."""

    fault: Fault
    reason: str


class TableFault(NamedTuple):
    """Rejected rows are counted by table and fault: a `Counter` of these, and two counters add up to one."""

    table: str
    fault: Fault


@dataclass(frozen=True)
class RejectedRow:
    """A row that does not reach the target, as the source holds it. `reason` tells its fault with its values.

    `rowid` is None where the table has none, `key` names the columns that identify the row. `others` are what is wrong
    with it besides: it is counted under `fault` alone, and they need mending as well.
    """

    row_number: int
    rowid: int | None
    key: tuple[str, ...]
    fault: Fault
    reason: str
    row: Mapping[str, StorageValue]
    others: tuple[StatedFault, ...] = ()
