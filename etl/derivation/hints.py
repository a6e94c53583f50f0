"""What columns of plain types probably are: shown beside the proposal, never taken."""

from collections.abc import Mapping

from etl.core.source_tables import quoted
from etl.core.time_units import NumberRange, TimeUnit, decide_unit
from etl.core.types import Kind
from etl.derivation.tables import Draft
from etl.source.database import Source

SAMPLE_ROWS = 1_000  # texts are looked at in the first rows; a hint need not be a proof
_FLAG_BEGINNINGS = ("is_", "has_", "can_", "was_", "should_")
_TIME_ENDINGS = ("_at", "_on", "date", "time", "_ts", "timestamp", "created", "updated", "modified")
_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"


def could_be(source: Source, draft: Draft) -> dict[str, str]:
    """A type for each column whose values all look like one, by the column's name in SQLite.

    :param source: an open source.
    :param draft: the table with the types chosen.
    """
    integers = [
        name
        for name in draft.names
        if draft.type_of(name).kind is Kind.BIGINT and draft.evidence[name].values and _is_telling(name)
    ]
    texts = [name for name in draft.names if _is_text(draft, name)]
    return {**_of_integers(source, draft, integers), **_of_texts(source, draft, texts)}


def _is_telling(name: str) -> bool:
    lower = name.lower()
    return lower.startswith(_FLAG_BEGINNINGS) or lower.endswith(_TIME_ENDINGS)


def _is_text(draft: Draft, name: str) -> bool:
    chosen = draft.types[name]
    return chosen.choice is None and chosen.type.kind is Kind.TEXT and set(draft.evidence[name].storage) == {"text"}


def _of_integers(source: Source, draft: Draft, names: list[str]) -> Mapping[str, str]:
    if not names:
        return {}
    found: dict[str, str] = {}
    for name, numbers in source.number_ranges(draft.catalog.name, names).items():
        if numbers is None:
            continue
        flag = name.lower().startswith(_FLAG_BEGINNINGS) and numbers.lowest >= 0 and numbers.highest <= 1
        unit = decide_unit(numbers)
        if flag:
            found[name] = "boolean"
        elif unit is not TimeUnit.UNDECIDED and _is_late(numbers):
            found[name] = f"timestamptz ({unit})"
    return found


def _is_late(numbers: NumberRange) -> bool:
    """Zeros alone are no sign of times."""
    return numbers.highest > 0


def _of_texts(source: Source, draft: Draft, names: list[str]) -> Mapping[str, str]:
    if not names:
        return {}
    asked = []
    for name in names:
        column = quoted(name)
        asked.append(f"min(CASE WHEN {column} GLOB '[[{{]*' THEN json_valid({column}) ELSE {column} IS NULL END)")
        asked.append(f"min({column} GLOB '{_DAY}')")
        asked.append(f"min({column} GLOB '{_DAY}[ T][0-9][0-9]:[0-9][0-9]*')")
    # A collation that the application has defined is not known here, and none is needed.
    listed = ", ".join(f"{quoted(name)} COLLATE BINARY AS {quoted(name)}" for name in names)
    inner = f"SELECT {listed} FROM main.{quoted(draft.catalog.name)} LIMIT {SAMPLE_ROWS}"
    (answers,) = source.query(f"SELECT {', '.join(asked)} FROM ({inner})")
    found: dict[str, str] = {}
    for place, name in enumerate(names):
        is_json, is_day, is_time = answers[3 * place : 3 * place + 3]
        if is_json:
            found[name] = "jsonb"
        elif is_day:
            found[name] = "date"
        elif is_time:
            found[name] = "timestamptz"
    return found
