"""Expectations in plain English, for people who have never heard of Great Expectations."""

from collections.abc import Callable, Mapping
from datetime import datetime

from etl.core.text import counted
from etl.validation.rules import LATEST_PLAUSIBLE_TIME, ROW_COUNT, Value

SHOWN_VALUES = 8
_PATTERNS = {
    "\\S": "the text is not blank",
    "[^ \\t\\r\\n]": "the text is not blank",
    "^https?://\\S+$": "the text is a web address",
    "^[^@\\s]+@[^@\\s]+\\.[^@\\s.]+$": "the text is an e-mail address",
    "^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$": "the text is a date such as 2026-01-31",
    "^[0-9A-Fa-f.:]+(%\\w+)?$": "the text is an IP address",
}
Arguments = Mapping[str, Value]


def meaning_of(type_name: str, kwargs: Arguments) -> str:
    """What is expected, in a short sentence without the column's name.

    :param type_name: Great Expectations' type, one of `rules.RULES`.
    :param kwargs: its arguments.
    """
    words = _WORDS[type_name](kwargs)
    mostly = kwargs.get("mostly", 1)
    share = f", in at least {mostly:.0%} of the rows" if isinstance(mostly, int | float) and mostly < 1 else ""
    return words + share


def _between(what: str) -> Callable[[Arguments], str]:
    def words(kwargs: Arguments) -> str:
        return f"{what} {_range(kwargs)}"

    return words


def _range(kwargs: Arguments) -> str:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    above = "more than" if kwargs.get("strict_min") else "at least"
    below = "less than" if kwargs.get("strict_max") else "at most"
    if low is not None and high is not None:
        if not kwargs.get("strict_min") and not kwargs.get("strict_max"):
            return f"exactly {_shown(low)}" if low == high else f"between {_shown(low)} and {_shown(high)}"
        return f"{above} {_shown(low)} and {below} {_shown(high)}"
    return f"{above} {_shown(low)}" if low is not None else f"{below} {_shown(high)}"


def _shown(value: Value) -> str:
    if isinstance(value, dict) and value.get("$PARAMETER") == LATEST_PLAUSIBLE_TIME:
        return "a day after now"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}" if value.time() != datetime.min.time() else f"{value:%Y-%m-%d}"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _listed(values: Value) -> str:
    items = list(values) if isinstance(values, list) else [values]
    more = f" and {len(items) - SHOWN_VALUES:,} more" if len(items) > SHOWN_VALUES else ""
    return ", ".join(map(_shown, items[:SHOWN_VALUES])) + more


def _pattern(kwargs: Arguments) -> str:
    return _PATTERNS.get(str(kwargs["regex"]), f"the text has the form {kwargs['regex']}")


def _length(kwargs: Arguments) -> str:
    return f"the text has {_range(kwargs)} characters"


def _exact_length(kwargs: Arguments) -> str:
    value = kwargs["value"]
    return f"the text has {counted(value, 'character') if isinstance(value, int) else value}"


def _patterns(kwargs: Arguments) -> str:
    how = "all" if kwargs.get("match_on") == "all" else "any"
    return f"the text has {how} of the forms {_listed(kwargs['regex_list'])}"


def _greater(kwargs: Arguments) -> str:
    how = "not less than" if kwargs.get("or_equal") else "greater than"
    return f"{kwargs['column_A']} is {how} {kwargs['column_B']}"


_WORDS: Mapping[str, Callable[[Arguments], str]] = {
    "expect_column_values_to_not_be_null": lambda _: "there is a value",
    "expect_column_values_to_be_null": lambda _: "there is no value",
    "expect_column_values_to_be_in_set": lambda kwargs: f"the value is one of {_listed(kwargs['value_set'])}",
    "expect_column_values_to_not_be_in_set": lambda kwargs: f"the value is none of {_listed(kwargs['value_set'])}",
    "expect_column_values_to_be_between": _between("the value is"),
    "expect_column_values_to_match_regex": _pattern,
    "expect_column_values_to_not_match_regex": lambda kwargs: f"the text has not the form {kwargs['regex']}",
    "expect_column_values_to_match_regex_list": _patterns,
    "expect_column_values_to_not_match_regex_list": (
        lambda kwargs: f"the text has none of the forms {_listed(kwargs['regex_list'])}"
    ),
    "expect_column_value_lengths_to_be_between": _length,
    "expect_column_value_lengths_to_equal": _exact_length,
    "expect_column_values_to_match_strftime_format": (
        lambda kwargs: f"the text is a time in the form {kwargs['strftime_format']}"
    ),
    "expect_column_pair_values_a_to_be_greater_than_b": _greater,
    "expect_column_pair_values_to_be_equal": lambda kwargs: f"{kwargs['column_A']} equals {kwargs['column_B']}",
    ROW_COUNT: lambda kwargs: f"the number of rows is {_range(kwargs)}",
    "expect_column_values_to_be_unique": lambda _: "no value stands in two rows",
    "expect_column_unique_value_count_to_be_between": _between("the number of distinct values is"),
    "expect_column_proportion_of_unique_values_to_be_between": _between("distinct values, as a share of the rows, are"),
    "expect_column_distinct_values_to_be_in_set": lambda kwargs: f"all values are of {_listed(kwargs['value_set'])}",
    "expect_column_distinct_values_to_contain_set": lambda kwargs: f"each occurs of {_listed(kwargs['value_set'])}",
    "expect_column_distinct_values_to_equal_set": (
        lambda kwargs: f"the values are just {_listed(kwargs['value_set'])}, and each occurs"
    ),
    "expect_column_min_to_be_between": _between("the least value is"),
    "expect_column_max_to_be_between": _between("the greatest value is"),
    "expect_column_sum_to_be_between": _between("the sum is"),
    "expect_column_mean_to_be_between": _between("the mean is"),
    "expect_column_median_to_be_between": _between("the median is"),
    "expect_column_stdev_to_be_between": _between("the standard deviation is"),
}
