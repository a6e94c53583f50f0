"""What can be said of one cell: equal, different in a named way, or a question that only PostgreSQL can answer."""

from dataclasses import dataclass

from etl.core.difference_kinds import DifferenceKind
from etl.core.time_units import TimeUnit
from etl.core.types import TargetType
from etl.core.values import LargeText

WireValue = int | float | bytes | None
"""A target value as `target_side.py` fetches it: integers for whole numbers, booleans and times (microseconds),
floats for real and double precision, UTF-8 for the other types (bytea in hexadecimal)."""


@dataclass(frozen=True)
class CellResult:
    """`kind` None: the values are equal. `shift_seconds`: how much later the target's time is."""

    kind: DifferenceKind | None
    shift_seconds: float | None = None


@dataclass(frozen=True)
class Question:
    """Whether PostgreSQL reads `source` (a text) as the value of `target` that it prints as `written`, or its mark."""

    target: TargetType
    source: str | LargeText
    written: str


@dataclass(frozen=True)
class Reading:
    """How a column's values are read: wall clocks in `zone`, numbers that stand for times in `unit`."""

    zone: str
    unit: TimeUnit | None = None


EQUAL = CellResult(None)


def text_of(wire: WireValue) -> str:
    """The text that came from the target."""
    if not isinstance(wire, bytes):
        raise TypeError(f"text was expected from the target, not {type(wire).__name__}")
    return wire.decode()


def whole_of(wire: WireValue) -> int:
    """The whole number that came from the target."""
    if not isinstance(wire, int):
        raise TypeError(f"a whole number was expected from the target, not {type(wire).__name__}")
    return wire


def float_of(wire: WireValue) -> float:
    """The floating point number that came from the target."""
    if not isinstance(wire, float):
        raise TypeError(f"a float was expected from the target, not {type(wire).__name__}")
    return wire
