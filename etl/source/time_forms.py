"""Tells whether all texts of a column have one and the same form of a date or a time."""

from collections.abc import Sequence

from etl.core.source_tables import quoted
from etl.source.database import Source

_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_CLOCK = "[0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
# strftime's form → SQLite's GLOB
_FORMS = {
    "%Y-%m-%d": _DAY,
    "%Y-%m-%d %H:%M:%S": f"{_DAY} {_CLOCK}",
    "%Y-%m-%dT%H:%M:%S": f"{_DAY}T{_CLOCK}",
    "%H:%M:%S": _CLOCK,
}


def time_forms(source: Source, table: str, columns: Sequence[str]) -> dict[str, str]:
    """The strftime format of each of `columns` all of whose values are texts of one such format."""
    if not columns:
        return {}
    asked = [f"min({quoted(column)} GLOB '{form}')" for column in columns for form in _FORMS.values()]
    (answers,) = source.query(f"SELECT {', '.join(asked)} FROM main.{quoted(table)}")
    found: dict[str, str] = {}
    for place, column in enumerate(columns):
        for form, all_alike in zip(_FORMS, answers[place * len(_FORMS) :], strict=False):
            if all_alike:
                found[column] = form
    return found
