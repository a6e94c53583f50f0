"""One cell looked at carefully, as its family has it."""

from etl.comparison.cell_results import EQUAL, CellResult, Question, Reading, WireValue, text_of
from etl.comparison.families import family_of
from etl.comparison.large import is_large, mark_parts
from etl.comparison.meaning import MeaninglessError, TooDeepError
from etl.comparison.other_classes import as_taken
from etl.core.difference_kinds import DifferenceKind
from etl.core.types import TargetType
from etl.core.values import StorageValue


def compare_value(value: StorageValue, wire: WireValue, target: TargetType, reading: Reading) -> CellResult | Question:
    """Compares what `value` means in `target` with what is there."""
    if value is None or wire is None:
        return EQUAL if value is wire else CellResult(DifferenceKind.NULL_AGAINST_VALUE)
    family = family_of(target)
    try:
        value = as_taken(value, target)
        if family.large and isinstance(wire, bytes) and (is_large(value) or mark_parts(wire)):
            return family.large(value, wire, target)
        return family.compare(value, wire, target, reading)
    except MeaninglessError:
        return CellResult(DifferenceKind.OTHER)
    except TooDeepError:
        return Question(target, str(value), text_of(wire))


def printed(wire: WireValue, target: TargetType) -> str | None:
    """A target value as text for people, close to what psql would show in UTC."""
    return None if wire is None else family_of(target).shown(wire, target)
