"""boolean: the integers 0 and 1 and six words; nothing else is true or false."""

import pyarrow as pa
import pyarrow.compute as pc

from etl.conversion.casts.cells import VALUE, Cells, Refusal, RefusalError, look_singly, where
from etl.core.rejects import RejectRule
from etl.core.types import TargetType

NOT_BOOLEAN = Refusal(RejectRule.NOT_A_BOOLEAN, f"{VALUE} is not a boolean (0, 1, true, false)")
_FALSE = ["0", "f", "false"]
_TRUE = ["1", "t", "true"]


def boolean_from_integer(values: pa.Array, _target: TargetType) -> Cells:
    """0 and 1."""
    known = pc.is_in(values, pa.array([0, 1], values.type))
    return look_singly(values, where(known, pc.equal(values, 1)), _refuse)


def boolean_from_real(values: pa.Array, _target: TargetType) -> Cells:
    """0.0 and 1.0: whole numbers, as integer columns take them too."""
    known = pc.is_in(values, pa.array([0.0, 1.0], values.type))
    return look_singly(values, where(known, pc.equal(values, 1.0)), _refuse)


def boolean_from_text(values: pa.Array, _target: TargetType) -> Cells:
    """0, 1, t, f, true and false in any case."""
    words = pc.ascii_lower(values)
    known = pc.is_in(words, pa.array(_FALSE + _TRUE, words.type))
    return look_singly(values, where(known, pc.is_in(words, pa.array(_TRUE, words.type))), _refuse)


def _refuse(_value: object) -> bool:
    raise RefusalError(*NOT_BOOLEAN)
