"""Which Great Expectations expectations a suite may hold, and what makes one unusable; does without importing it.

Expectations that check each row by itself can say which rows to reject, and give the same answer however a table is cut
into batches. Those about a whole table (its row count, unique values, means) are judged once, over all its rows.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from etl.core.text import unknown_names
from etl.core.types import SERVER_READ, TIMES, Kind, TargetType

LATEST_PLAUSIBLE_TIME = "latest_plausible_time"  # the one suite parameter: a day after the run began
ROW_COUNT = "expect_table_row_count_to_be_between"
NULLNESS = frozenset({"expect_column_values_to_not_be_null", "expect_column_values_to_be_null"})

INTEGERS = frozenset({Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT})
NUMBERS = INTEGERS | {Kind.REAL, Kind.DOUBLE, Kind.NUMERIC}
TEXTS = SERVER_READ | {Kind.TEXT, Kind.JSON}
COUNTABLE = frozenset(Kind) - {Kind.BYTEA, Kind.NUMERIC}  # sets of exact decimals or bytes have no JSON spelling

Value = object  # what a JSON file can hold
Reader = Callable[[Value, TargetType | None], Value]


def _value(value: Value, column: TargetType | None) -> Value:
    """A value to compare the column with, in the column's own terms."""
    kind = column.kind if column else Kind.INTEGER
    if kind in TIMES:
        return _time(value)
    if kind in NUMBERS:
        return _number(value)
    wanted = bool if kind is Kind.BOOLEAN else str
    if not isinstance(value, wanted):
        raise ValueError(f"{value!r} is no {'true or false' if wanted is bool else 'text'}")
    return value


def _number(value: Value) -> Value:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number")
    if not math.isfinite(value) or int(float(value)) != int(value):
        # Great Expectations keeps bounds as floating point: 2**53 + 1 would silently become 2**53.
        raise ValueError(f"{value} cannot be kept exactly by Great Expectations (beyond 2**53)")
    return value


def _time(value: Value) -> Value:
    if isinstance(value, dict):
        if value != {"$PARAMETER": LATEST_PLAUSIBLE_TIME}:
            raise ValueError(f'the only suite parameter is {{"$PARAMETER": "{LATEST_PLAUSIBLE_TIME}"}}')
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no time written as text")
    time = datetime.fromisoformat(value)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _set(value: Value, column: TargetType | None) -> Value:
    if not isinstance(value, list) or not value:
        raise ValueError("the set is no list, or empty")
    return [_value(item, column) for item in value]


def _pattern(value: Value, _: TargetType | None) -> Value:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{value!r} is no regular expression: {error}") from error
    return value


def _patterns(value: Value, column: TargetType | None) -> Value:
    if not isinstance(value, list) or not value:
        raise ValueError("the regular expressions are no list, or empty")
    return [_pattern(item, column) for item in value]


def _length(value: Value, _: TargetType | None) -> Value:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError(f"{value!r} is no length or count")
    return value


def _flag(value: Value, _: TargetType | None) -> Value:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _text(value: Value, _: TargetType | None) -> Value:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _share(value: Value, _: TargetType | None) -> Value:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{value!r} is no share between 0 and 1")
    return value


def _skip(value: Value, _: TargetType | None) -> Value:
    if value not in ("both_values_are_missing", "either_value_is_missing", "neither"):
        raise ValueError(f"{value!r} is none of both_values_are_missing, either_value_is_missing, neither")
    return value


@dataclass(frozen=True)
class Rule:
    """One expectation type: the arguments that name columns, the other arguments, the kinds of column that it fits."""

    columns: tuple[str, ...] = ("column",)
    required: Mapping[str, Reader] = field(default_factory=dict)
    optional: Mapping[str, Reader] = field(default_factory=dict)
    one_of: tuple[str, ...] = ()  # at least one of these
    kinds: frozenset[Kind] = frozenset(Kind)
    whole: bool = False  # judged on all rows of the table together


def _figure(value: Value, _: TargetType | None) -> Value:
    return _number(value)


_STRICT = {"strict_min": _flag, "strict_max": _flag}
_PAIR = ("column_A", "column_B")
_BOUNDS = ("min_value", "max_value")

_DISTINCT = Rule(required={"value_set": _set}, kinds=COUNTABLE, whole=True)


def _statistic(bound: Reader, kinds: frozenset[Kind]) -> Rule:
    return Rule(optional={"min_value": bound, "max_value": bound, **_STRICT}, one_of=_BOUNDS, kinds=kinds, whole=True)


RULES: Mapping[str, Rule] = {
    "expect_column_values_to_not_be_null": Rule(),
    "expect_column_values_to_be_null": Rule(),
    "expect_column_values_to_be_in_set": Rule(required={"value_set": _set}, kinds=COUNTABLE),
    "expect_column_values_to_not_be_in_set": Rule(required={"value_set": _set}, kinds=COUNTABLE),
    "expect_column_values_to_be_between": Rule(
        optional={"min_value": _value, "max_value": _value, **_STRICT}, one_of=_BOUNDS, kinds=NUMBERS | TIMES
    ),
    "expect_column_values_to_match_regex": Rule(required={"regex": _pattern}, kinds=TEXTS),
    "expect_column_values_to_not_match_regex": Rule(required={"regex": _pattern}, kinds=TEXTS),
    "expect_column_values_to_match_regex_list": Rule(
        required={"regex_list": _patterns}, optional={"match_on": _text}, kinds=TEXTS
    ),
    "expect_column_values_to_not_match_regex_list": Rule(required={"regex_list": _patterns}, kinds=TEXTS),
    "expect_column_value_lengths_to_be_between": Rule(
        optional={"min_value": _length, "max_value": _length, **_STRICT}, one_of=_BOUNDS, kinds=TEXTS
    ),
    "expect_column_value_lengths_to_equal": Rule(required={"value": _length}, kinds=TEXTS),
    "expect_column_values_to_match_strftime_format": Rule(required={"strftime_format": _text}, kinds=TEXTS),
    "expect_column_pair_values_a_to_be_greater_than_b": Rule(
        columns=_PAIR, optional={"or_equal": _flag, "ignore_row_if": _skip}, kinds=NUMBERS | TIMES
    ),
    "expect_column_pair_values_to_be_equal": Rule(columns=_PAIR, optional={"ignore_row_if": _skip}),
    "expect_column_values_to_be_unique": Rule(whole=True),
    "expect_column_unique_value_count_to_be_between": _statistic(_length, frozenset(Kind)),
    "expect_column_proportion_of_unique_values_to_be_between": _statistic(_share, frozenset(Kind)),
    "expect_column_distinct_values_to_be_in_set": _DISTINCT,
    "expect_column_distinct_values_to_contain_set": _DISTINCT,
    "expect_column_distinct_values_to_equal_set": _DISTINCT,
    "expect_column_min_to_be_between": _statistic(_value, NUMBERS | TIMES),
    "expect_column_max_to_be_between": _statistic(_value, NUMBERS | TIMES),
    "expect_column_sum_to_be_between": _statistic(_figure, NUMBERS),
    "expect_column_mean_to_be_between": _statistic(_figure, NUMBERS),
    "expect_column_median_to_be_between": _statistic(_figure, NUMBERS),
    "expect_column_stdev_to_be_between": _statistic(_figure, NUMBERS),
    ROW_COUNT: Rule(columns=(), optional={"min_value": _length, "max_value": _length, **_STRICT}, one_of=_BOUNDS),
}


def readable_arguments(
    type_name: str, kwargs: Mapping[str, Value], columns: Mapping[str, TargetType] | None
) -> dict[str, Value]:
    """The arguments as Great Expectations shall get them: times as datetimes, naive ones as UTC.

    `columns` are the table's, by name; None leaves out everything that depends on them. Raises ValueError with what is
    wrong: an unknown type, a misspelt or missing argument, a column that the table lacks or that the expectation does
    not fit, a value that cannot be compared with the column.
    """
    rule = _rule(type_name)
    readers = {**rule.required, **rule.optional, "mostly": _share}
    _check_names(kwargs, rule, readers)
    types = [_column(kwargs[name], rule, columns) for name in rule.columns]
    if len({_family(column) for column in types if column}) > 1:
        raise ValueError(
            f"{' and '.join(str(kwargs[name]) for name in rule.columns)} cannot be compared with each other"
        )
    column = types[0] if types else None
    others = {name: value for name, value in kwargs.items() if name in readers}
    readable = {name: _read(readers, name, value, column, columns) for name, value in others.items()}
    _check_bounds(readable.get("min_value"), readable.get("max_value"))
    return {**kwargs, **readable}


def _check_bounds(low: Value, high: Value) -> None:
    """Great Expectations notices bounds the wrong way round too, but only at the table's first row."""
    numbers = isinstance(low, int | float) and isinstance(high, int | float) and low > high
    if numbers or (isinstance(low, datetime) and isinstance(high, datetime) and low > high):
        raise ValueError(f"min_value {low} is above max_value {high}")


def _rule(type_name: str) -> Rule:
    if type_name not in RULES:
        known = ", ".join(RULES)
        raise ValueError(f"{type_name!r} is no expectation that can be checked here; there are: {known}")
    return RULES[type_name]


def _check_names(kwargs: Mapping[str, Value], rule: Rule, readers: Mapping[str, Reader]) -> None:
    known = {*rule.columns, *readers}
    unknown = sorted(kwargs.keys() - known)
    if unknown:
        raise ValueError(f"unknown argument {', '.join(map(repr, unknown))}; there are: {', '.join(sorted(known))}")
    missing = [name for name in (*rule.columns, *rule.required) if name not in kwargs]
    if missing:
        raise ValueError(f"argument {', '.join(map(repr, missing))} is missing")
    if rule.one_of and all(kwargs.get(name) is None for name in rule.one_of):
        raise ValueError(f"needs {' or '.join(rule.one_of)}")


def _column(name: Value, rule: Rule, columns: Mapping[str, TargetType] | None) -> TargetType | None:
    if not isinstance(name, str):
        raise ValueError(f"{name!r} is no column name")
    if columns is None:
        return None
    if name not in columns:
        raise ValueError(unknown_names("the table has no column", [name], columns).rstrip("."))
    if columns[name].kind not in rule.kinds:
        raise ValueError(f"does not fit column {name!r} of type {columns[name].sql}")
    return columns[name]


def _family(column: TargetType) -> str:
    for name, kinds in (("number", NUMBERS), ("time", TIMES), ("text", TEXTS)):
        if column.kind in kinds:
            return name
    return column.kind.value


def _read(
    readers: Mapping[str, Reader],
    name: str,
    value: Value,
    column: TargetType | None,
    columns: Mapping[str, TargetType] | None,
) -> Value:
    reader = readers[name]
    if (value is None and name in _BOUNDS) or (columns is None and reader in (_value, _set)):
        return value
    try:
        return reader(value, column)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
