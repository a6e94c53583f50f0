"""The families of target types, each described once for the comparison: what both databases send, how a value is read,
compared, spelled for keys and shown.

A new type is a new row here. Loading describes the same types on its own (`etl.conversion`), so that a wrong cast
cannot prove itself right.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from psycopg2 import sql

from etl.comparison import comparers, meaning, source_forms, spelling, target_forms
from etl.comparison.cell_results import CellResult, Question, Reading, WireValue, float_of, text_of, whole_of
from etl.comparison.meaning import MeaninglessError, TooDeepError
from etl.comparison.readers import means_same, stored_text
from etl.comparison.settle import Settle, settle_documents, settle_numbers
from etl.comparison.source_forms import Forms
from etl.core.types import Kind, TargetType
from etl.core.values import StorageValue

Comparer = Callable[[StorageValue, WireValue, TargetType, Reading], CellResult | Question]
LargeComparer = Callable[[StorageValue, bytes, TargetType], CellResult | Question]
Spell = Callable[[StorageValue, TargetType, Reading], str]
KeyForm = Callable[[sql.Composable, TargetType], sql.Composable]


def _shown(wire: WireValue, _target: TargetType) -> str:
    return text_of(wire) if isinstance(wire, bytes) else str(wire)


def _shown_truth(wire: WireValue, _target: TargetType) -> str:
    return "true" if wire else "false"


def _shown_single(wire: WireValue, _target: TargetType) -> str:
    return str(np.float32(float_of(wire)))


def _shown_time(wire: WireValue, target: TargetType) -> str:
    return meaning.time_text(whole_of(wire), target.kind)


def _shown_octets(wire: WireValue, _target: TargetType) -> str:
    return "\\x" + text_of(wire)


def _document_text(value: StorageValue, _target: TargetType) -> str:
    """A number keeps all of its digits."""
    return repr(value) if isinstance(value, float) else meaning.text(value)


def _keeps_keys(stored: str, _spelled: str, target: TargetType) -> bool:
    return target.base != "jsonb" or not meaning.repeats_key(stored)


def _keeps_meaning(stored: str, spelled: str, target: TargetType) -> bool:
    try:
        return stored == spelled or means_same(stored, spelled, target)
    except (MeaninglessError, TooDeepError):
        return False


@dataclass(frozen=True)
class Family:
    """Types that are compared alike.

    `arrow`: the type in which values of both sides travel. `stored`: what SQLite sends of values of an ordinary form.
    `sent`: what PostgreSQL sends. Ordinary values are equal exactly where both are. `compare`: looks at a single value.
    `shown`: a value of the target for people.

    `spell`: the one spelling of a stored value in which keys and whole rows are matched, `key` PostgreSQL's. Where a
    family has no `spell`, PostgreSQL is asked for it: it is given `text` of the value, answers with `asked` of it, and
    the answer counts if it `keeps` what was stored. `order`: the condition under which SQLite orders keys as they are.

    `large`: compares values that may be too large to travel, for families that have such. `times`: wall clocks are read
    in a zone. `settle`: finds equal ones among columns that look different. `narrows`: to single precision.
    """

    arrow: pa.DataType
    stored: Forms
    sent: Callable[[sql.Composable], sql.Composable]
    compare: Comparer
    shown: Callable[[WireValue, TargetType], str] = _shown
    spell: Spell | None = None
    key: KeyForm | None = None
    text: Callable[[StorageValue, TargetType], str] = stored_text
    asked: KeyForm = target_forms.cast_text
    keeps: Callable[[str, str, TargetType], bool] = _keeps_meaning
    order: str | None = None
    large: LargeComparer | None = None
    times: bool = False
    settle: Settle | None = None
    narrows: bool = False


def _whole() -> Family:
    return Family(
        pa.int64(),
        source_forms.WHOLE_FORMS,
        target_forms.as_it_is,
        comparers.compare_whole,
        spell=spelling.spell_whole,
        order=source_forms.WHOLE_ORDER,
    )


def _float(kind: Kind) -> Family:
    single = kind is Kind.REAL
    return Family(
        pa.float64(),
        source_forms.FLOAT_FORMS,
        target_forms.as_double if single else target_forms.as_it_is,
        comparers.compare_float,
        shown=_shown_single if single else _shown,
        spell=spelling.spell_float,
        key=target_forms.float_key,
        narrows=single,
    )


def _time() -> Family:
    return Family(
        pa.int64(),
        source_forms.TIME_FORMS,
        target_forms.as_microseconds,
        comparers.compare_time,
        shown=_shown_time,
        spell=spelling.spell_time,
        times=True,
    )


def _written(
    compare: Comparer = comparers.compare_written,
    *,
    stored: Forms = source_forms.LETTERS_FORMS,
    spell: Spell | None = None,
    order: str | None = None,
) -> Family:
    """Types that PostgreSQL writes as a text of their own; what is spelled alike there travels as it stands."""
    return Family(
        pa.binary(), stored, target_forms.as_text, compare, spell=spell, order=order, large=comparers.ask_large
    )


_WORDS = _written(comparers.compare_label, stored=source_forms.TEXT_FORMS, spell=spelling.spell_written)
_BITS = _written(comparers.compare_bits, spell=spelling.spell_written)
_HARDWARE = _written(spell=spelling.spell_written)

FAMILIES: Mapping[Kind, Family] = {
    Kind.BOOLEAN: Family(
        pa.int64(),
        source_forms.TRUTH_FORMS,
        target_forms.as_digit,
        comparers.compare_truth,
        shown=_shown_truth,
        spell=spelling.spell_truth,
    ),
    Kind.SMALLINT: _whole(),
    Kind.INTEGER: _whole(),
    Kind.BIGINT: _whole(),
    Kind.REAL: _float(Kind.REAL),
    Kind.DOUBLE: _float(Kind.DOUBLE),
    Kind.NUMERIC: Family(
        pa.binary(),
        source_forms.DIGITS_FORMS,
        target_forms.as_text,
        comparers.compare_numeric,
        spell=spelling.spell_numeric,
        key=target_forms.numeric_key,
        settle=settle_numbers,
    ),
    Kind.MONEY: _written(comparers.compare_money, spell=spelling.spell_written),
    Kind.OID: _written(stored=source_forms.TEXT_FORMS, spell=spelling.spell_written),
    Kind.TEXT: Family(
        pa.binary(),
        source_forms.TEXT_FORMS,
        target_forms.as_text,
        comparers.compare_text,
        spell=spelling.spell_text,
        order=source_forms.TEXT_ORDER,
        large=comparers.compare_large_content,
    ),
    Kind.BIT: _BITS,
    Kind.VARBIT: _BITS,
    Kind.TIMESTAMPTZ: _time(),
    Kind.TIMESTAMP: _time(),
    Kind.DATE: _written(comparers.compare_date, spell=spelling.spell_written),
    Kind.TIME: _written(comparers.compare_clock, spell=spelling.spell_written),
    Kind.TIMETZ: _written(),
    Kind.INTERVAL: _written(),
    Kind.JSON: Family(
        pa.binary(),
        source_forms.DIGITS_FORMS,
        target_forms.as_text,
        comparers.compare_document,
        key=target_forms.document_key,
        text=_document_text,
        asked=target_forms.json_sql,
        keeps=_keeps_keys,
        large=comparers.ask_large,
        settle=settle_documents,
    ),
    Kind.BYTEA: Family(
        pa.binary(),
        source_forms.OCTETS_FORMS,
        target_forms.as_hexadecimal,
        comparers.compare_octets,
        shown=_shown_octets,
        spell=spelling.spell_octets,
        large=comparers.compare_large_content,
    ),
    Kind.UUID: _written(spell=spelling.spell_written, order=source_forms.UUID_ORDER),
    Kind.INET: _written(),
    Kind.CIDR: _written(),
    Kind.MACADDR: _HARDWARE,
    Kind.MACADDR8: _HARDWARE,
    Kind.ENUM: _WORDS,
    Kind.ARRAY: _written(),
    Kind.RANGE: _written(),
    Kind.MULTIRANGE: _written(),
    Kind.COMPOSITE: _written(),
    Kind.OTHER: _written(stored=source_forms.TEXT_FORMS),
}
"""The rules of comparing: every kind has its family."""


def family_of(target: TargetType) -> Family:
    """The family of a type."""
    return FAMILIES[target.kind]
