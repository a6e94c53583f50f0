"""What SQLite sends: for each family an expression by storage class, for values of an ordinary form.

In the expressions `{c}` is the column and `{strange}` the mark of a value that is not ordinary: it never equals
anything, and so the value is looked at singly.
"""

import sqlite3
from collections.abc import Mapping

from etl.core.time_units import TimeUnit

Forms = Mapping[str, str]
"""Expressions by storage class; values of the other classes are not ordinary."""

STRANGE_INTEGER = -(2**63) + 1
STRANGE_REAL = -1.797e308
STRANGE_TEXT = "x'FF'"  # not UTF-8, so no text of PostgreSQL equals it

_EXACT_IN_FLOAT = 2**53

_EXACT = f"{{c}} BETWEEN -{_EXACT_IN_FLOAT} AND {_EXACT_IN_FLOAT}"
_WHOLE = f"CASE WHEN {_EXACT} AND {{c}} = CAST({{c}} AS INTEGER) "
WHOLE_FORMS: Forms = {"integer": "{c}", "real": _WHOLE + "THEN CAST({c} AS INTEGER) ELSE {strange} END"}
FLOAT_FORMS: Forms = {
    "real": "{c}",
    "integer": f"CASE WHEN {_EXACT} THEN CAST({{c}} AS REAL) ELSE {{strange}} END",
}
TRUTH_FORMS: Forms = {
    "integer": "CASE WHEN {c} IN (0, 1) THEN {c} ELSE {strange} END",
    "text": "CASE WHEN lower({c}) IN ('0', 'f', 'false') THEN 0 WHEN lower({c}) IN ('1', 't', 'true') THEN 1 "
    "ELSE {strange} END",
}
LETTERS_FORMS: Forms = {"text": "{c}"}
TEXT_FORMS: Forms = {"text": "{c}", "integer": "CAST({c} AS TEXT)"}
# SQLite prints reals with 15 or 17 digits, depending on its version; here only what reads back will do.
DIGITS_FORMS: Forms = {
    **TEXT_FORMS,
    "real": "CASE WHEN CAST(CAST({c} AS TEXT) AS REAL) = {c} THEN CAST({c} AS TEXT) ELSE {strange} END",
}
OCTETS_FORMS: Forms = {"blob": "lower(hex({c}))", "text": "lower(hex(CAST({c} AS BLOB)))"}

# SQLite takes 30 February for 1 March and 24:00 for the next day, so days and hours are checked. It rounds fractions to
# milliseconds, so their digits are taken from the text.
_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_CLOCK = "[T ][0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
_EXISTS = (
    "(substr({c}, 9, 2) < '29' OR date({c}, '+0 days') = substr({c}, 1, 10)) "
    "AND substr({c}, 12, 2) < '24' AND substr({c}, 1, 4) > '0000'"
)
_SECONDS = "unixepoch({t})" if sqlite3.sqlite_version_info >= (3, 38) else "CAST(strftime('%s', {t}) AS INTEGER)"


def _time_text_sql() -> str:
    """Branches by the length in bytes, one a form: with a fraction of 3 or 6 digits, Z or an offset, or neither."""
    branches = [_time_branch(_DAY, 10, "{c}")]
    for digits in (0, 3, 6):
        fraction = "." + "[0-9]" * digits if digits else ""
        micros = f" + CAST(substr({{c}}, 21, {digits}) AS INTEGER) * {10 ** (6 - digits)}" if digits else ""
        for zone, zone_bytes in (("", 0), ("Z", 1), ("[+-][0-9][0-9]:[0-9][0-9]", 6)):
            moment = "substr({c}, 1, 19)" + (" || substr({c}, -6)" if zone_bytes > 1 else "")
            length = 19 + (digits + 1 if digits else 0) + zone_bytes
            branches.append(_time_branch(_DAY + _CLOCK + fraction + zone, length, moment, micros))
    return f"CASE length(CAST({{c}} AS BLOB)) {' '.join(branches)} ELSE {{strange}} END"


def _time_branch(pattern: str, length: int, moment: str, micros: str = "") -> str:
    value = f"coalesce({_SECONDS.replace('{t}', moment)} * 1000000{micros}, {{strange}})"
    return f"WHEN {length} THEN CASE WHEN {{c}} GLOB '{pattern}' AND {_EXISTS} THEN {value} ELSE {{strange}} END"


_JULIAN_DAY = (
    f"CASE WHEN {{c}} >= 1721425.5 AND {{c}} < 5373484.5 THEN {_SECONDS.replace('{t}', '{c}')} * 1000000 "
    "+ CAST(substr(strftime('%f', {c}), 4, 3) AS INTEGER) * 1000 ELSE {strange} END"
)
_REAL_SECONDS = (
    "CASE WHEN {c} >= 0 AND {c} < 1e11 THEN CAST({c} AS INTEGER) * 1000000 "
    "+ CAST(round(({c} - CAST({c} AS INTEGER)) * 1e6) AS INTEGER) ELSE {strange} END"
)
_COUNTED = "CASE WHEN {c} BETWEEN -{most} AND {most} THEN {c} * {micros} ELSE {strange} END"
# The common units; the others' numbers are looked at singly.
NUMBER_FORMS: Mapping[TimeUnit | None, Forms] = {
    TimeUnit.SECONDS: {
        "integer": _COUNTED.replace("{most}", "100000000000").replace("{micros}", "1000000"),
        "real": _REAL_SECONDS,
    },
    TimeUnit.MILLISECONDS: {"integer": _COUNTED.replace("{most}", "100000000000000").replace("{micros}", "1000")},
    TimeUnit.MICROSECONDS: {"integer": _COUNTED.replace("{most}", "100000000000000000").replace("{micros}", "1")},
    TimeUnit.JULIAN: {"real": _JULIAN_DAY},
}
TIME_FORMS: Forms = {"text": _time_text_sql()}

_ORDINARY_UUID = "????????-????-????-????-????????????"
WHOLE_ORDER = "typeof({c}) IN ('integer', 'null')"
TEXT_ORDER = "typeof({c}) IN ('text', 'null')"
UUID_ORDER = (
    f"(typeof({{c}}) = 'null' OR typeof({{c}}) = 'text' AND lower({{c}}) = {{c}} AND {{c}} GLOB '{_ORDINARY_UUID}')"
)
"""Conditions under which SQLite orders a key as PostgreSQL orders it."""
