"""Expectation suites: one plain Great Expectations file per table, checked before anything is written.

Great Expectations itself passes over unknown expectation types and takes an empty suite for success; here both stop
the run. It is not imported for this: reading suites costs milliseconds, and `checker.py` lets it have its say later.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from etl.core.errors import SuiteError
from etl.core.tables import Check, TargetTable
from etl.core.text import unknown_names
from etl.core.types import TargetType
from etl.validation.meaning import meaning_of
from etl.validation.rules import RULES, Value, readable_arguments

Severity = Literal["critical", "warning", "info"]
Columns = Mapping[str, TargetType]

_SUITE_KEYS = {"name", "expectations", "id", "meta", "notes", "suite_parameters"}
_EXPECTATION_KEYS = {
    "type", "kwargs", "meta", "notes", "severity", "description", "id",
    "rendered_content", "expectation_context", "success_on_last_run",
}  # fmt: skip


@dataclass(frozen=True)
class Expectation:
    """One statement about each row: its Great Expectations type and arguments, how bad a failure is, and why."""

    type: str
    kwargs: Mapping[str, Value]
    severity: Severity
    notes: str
    place: str  # where it stands, for messages

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it looks at; none for the row count."""
        return tuple(str(self.kwargs[name]) for name in RULES[self.type].columns)

    @property
    def whole(self) -> bool:
        """Whether it is judged on all values of a column together."""
        return RULES[self.type].whole

    @property
    def meaning(self) -> str:
        """What is expected, in plain English."""
        return meaning_of(self.type, self.kwargs)

    @property
    def mostly(self) -> float:
        """The share of rows that has to pass; 1 unless the suite says otherwise."""
        return float(cast(float, self.kwargs.get("mostly", 1)))

    def __str__(self) -> str:
        rest = {name: value for name, value in self.kwargs.items() if name not in RULES[self.type].columns}
        described = ", ".join(f"{name} {_plainly(value)}" for name, value in rest.items())
        return f"{self.type} ({described})" if described else self.type


def _plainly(value: Value) -> str:
    if isinstance(value, dict):
        return " ".join(map(str, value.values()))
    return json.dumps(value, ensure_ascii=False, default=str)


@dataclass(frozen=True)
class Suite:
    """What is expected of a table's rows. `columns` are the table's; `derived` is true where no file says anything."""

    table: str
    columns: Columns
    expectations: tuple[Expectation, ...]
    derived: bool = False


def default_folder() -> Path:
    """Where the 20 suites lie: inside the installed package, or beside it in a source tree."""
    packaged = Path(__file__).parent.parent / "expectations"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent.parent / "expectations"


def suites_for(folder: Path | None, tables: Iterable[TargetTable]) -> dict[str, Suite]:
    """The suite of every table: from `folder`, if any, else derived from the table's own catalogue.

    Raises `SuiteError`.
    """
    known = {table.name: table for table in tables}
    described = {name: {column.name: column.type for column in table.columns} for name, table in known.items()}
    written = load_suites(folder, described) if folder is not None else {}
    return {name: written.get(name) or derive_suite(table) for name, table in known.items()}


def load_suites(folder: Path, tables: Mapping[str, Columns]) -> dict[str, Suite]:
    """The suites of those `tables` (column types by table and column) that have a file `TABLE.json` in `folder`.

    Raises `SuiteError` naming file and place for everything that would make a suite mean something else than it says.
    """
    require_folder(folder)
    return {
        table: load_suite(folder / f"{table}.json", table, columns)
        for table, columns in tables.items()
        if (folder / f"{table}.json").is_file()
    }


def require_folder(folder: Path) -> None:
    """Raises `SuiteError` where there is no such folder."""
    if not folder.is_dir():
        raise SuiteError(f"There is no folder {folder} with expectation suites; name another with --expectations.")


def refuse_strangers(folder: Path, tables: Iterable[str], others: Iterable[str] = ()) -> None:
    """Raises `SuiteError` for suite files that belong to no table, and so would be asked of nothing.

    :param folder: the suites.
    :param tables: the target's names of the tables that are loaded.
    :param others: tables that there are besides, by the name of either side.
    """
    known = list(tables)
    besides = {_plain(name) for name in others}
    strangers = [
        path.stem
        for path in sorted(folder.glob("*.json"))
        if path.stem not in known and (_plain(path.stem) not in besides or _plain(path.stem) in map(_plain, known))
    ]
    if strangers:
        files = unknown_names(f"{folder} has a suite for no table of the target:", strangers, known)
        raise SuiteError(f"{files} A suite's file is named for its table: TABLE.json.")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower()) or name


def load_suite(path: Path, table: str, columns: Columns) -> Suite:
    """One table's suite from its file. Raises `SuiteError`."""
    content = read_suite(path)
    if content["name"] != table:
        raise SuiteError(f"{path}: its name is {content['name']!r}, but the file is for the table {table!r}.")
    expectations = tuple(
        parse_expectation(item, columns, f"{path}, expectation {place}")
        for place, item in enumerate(cast(list[Value], content["expectations"]), start=1)
    )
    _refuse_twins(expectations)
    return Suite(table, columns, expectations)


def _refuse_twins(expectations: Sequence[Expectation]) -> None:
    for place, expectation in enumerate(expectations):
        if any(expectation.type == other.type and expectation.kwargs == other.kwargs for other in expectations[:place]):
            raise SuiteError(f"{expectation.place}: the same expectation stands further up already.")


def read_suite(path: Path) -> dict[str, Value]:
    """The file as JSON, with a name and at least one expectation. Raises `SuiteError` with line and column."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_no_twins, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise SuiteError(f"{path}, line {error.lineno}, column {error.colno}: {error.msg}.") from error
    except (OSError, ValueError) as error:
        raise SuiteError(f"{path}: {error}.") from error
    if not isinstance(content, dict) or not isinstance(content.get("name"), str):
        raise SuiteError(f'{path}: a suite is a JSON object with a "name".')
    _refuse_unknown(content, _SUITE_KEYS, str(path))
    if not isinstance(content.get("expectations"), list) or not content["expectations"]:
        raise SuiteError(f"{path}: the suite has no expectations; delete the file to get one derived from the target.")
    return content


def parse_expectation(item: Value, columns: Columns | None, place: str) -> Expectation:
    """One entry of a suite's list, checked against the table's `columns` where given. Raises `SuiteError`."""
    if not isinstance(item, dict) or not isinstance(item.get("type"), str) or not isinstance(item.get("kwargs"), dict):
        raise SuiteError(f'{place}: an expectation is a JSON object with a "type" and "kwargs".')
    type_name, kwargs = item["type"], item["kwargs"]
    place = " ".join([place, f"({type_name})"])
    _refuse_unknown(item, _EXPECTATION_KEYS, place)
    severity = item.get("severity", "critical")  # Great Expectations' own default
    if severity not in get_args(Severity):
        raise SuiteError(f"{place}: severity {severity!r} is none of {', '.join(get_args(Severity))}.")
    try:
        readable = readable_arguments(type_name, kwargs, columns)
    except ValueError as error:
        raise SuiteError(f"{place}: {error}.") from error
    expectation = Expectation(type_name, readable, severity, _notes(item), place)
    _refuse_vague_rejection(expectation)
    return expectation


def _refuse_vague_rejection(expectation: Expectation) -> None:
    if expectation.severity != "critical":
        return
    if not expectation.columns:
        raise SuiteError(f"{expectation.place}: a count cannot reject single rows; make it a warning.")
    if expectation.whole:
        raise SuiteError(
            f"{expectation.place}: it is judged on the whole table, and cannot reject single rows; make it a warning."
        )
    if expectation.mostly < 1:
        raise SuiteError(f'{expectation.place}: "mostly" does not say which rows to reject; make it a warning.')


def _refuse_unknown(content: Mapping[str, Value], known: set[str], place: str) -> None:
    unknown = sorted(content.keys() - known)
    if unknown:
        raise SuiteError(
            f"{place}: unknown key {', '.join(map(repr, unknown))}; there are: {', '.join(sorted(known))}."
        )


def _notes(item: Mapping[str, Value]) -> str:
    meta = item.get("meta")
    notes = item.get("notes") or (meta.get("notes") if isinstance(meta, dict) else None) or ""
    return " ".join(map(str, notes)) if isinstance(notes, list) else str(notes)


def _no_twins(pairs: Sequence[tuple[str, Value]]) -> dict[str, Value]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice in one object"
        )
    return content


def _no_constant(name: str) -> Value:
    raise ValueError(f"{name} is no JSON")


# `pg_get_expr` spells IN as = ANY (ARRAY[…]) and BETWEEN as two comparisons; anything else is left to PostgreSQL. So
# are sets of values that are written in several ways but equal, as char(n), citext, uuid and date have them.
_LITERAL = r"'((?:[^']|'')*)'::(?:text|character varying)"
_ONE_OF = re.compile(rf"\(+(\w+)\)?(?:::text)? = ANY \(\(?ARRAY\[((?:{_LITERAL}(?:, )?)+)\](?:\)?::text\[\])?\)+")
_BETWEEN = re.compile(r"\(+(\w+) >= (-?\d+)\) AND \((\w+) <= (-?\d+)\)+")


def derive_suite(table: TargetTable) -> Suite:
    """A suite from what the target's catalogue says: required columns, length limits, and plain CHECKs.

    It may be empty, where the target demands nothing. All of it is critical: PostgreSQL would refuse the rows anyway.
    """
    columns = {column.name: column.type for column in table.columns}
    raw: list[tuple[str, dict[str, Value], str]] = [
        ("expect_column_values_to_not_be_null", {"column": column.name}, "NOT NULL in the target.")
        for column in table.columns
        if column.not_null and not column.generated
    ]
    raw += [
        (
            "expect_column_value_lengths_to_be_between",
            {"column": column.name, "max_value": column.type.length},
            f"{column.type.sql} in the target.",
        )
        for column in table.columns
        if column.type.length is not None and not column.generated
    ]
    raw += [found for check in table.checks if (found := _from_check(check, columns)) is not None]
    expectations = tuple(
        Expectation(type_name, kwargs, "critical", notes, f"derived from the table {table.name}")
        for type_name, kwargs, notes in raw
    )
    return Suite(table.name, columns, expectations, derived=True)


def _is_plain_text(column: TargetType | None) -> bool:
    return column is not None and column.sql.startswith(("text", "character varying"))


def _from_check(check: Check, columns: Columns) -> tuple[str, dict[str, Value], str] | None:
    notes = f"CHECK {check.name} in the target."
    kwargs: dict[str, Value]
    if (match := _ONE_OF.fullmatch(check.expression)) and _is_plain_text(columns.get(match[1])):
        values = [text.replace("''", "'") for text in re.findall(_LITERAL, match[2])]
        type_name, kwargs = "expect_column_values_to_be_in_set", {"column": match[1], "value_set": values}
    elif (match := _BETWEEN.fullmatch(check.expression)) and match[1] == match[3]:
        type_name = "expect_column_values_to_be_between"
        kwargs = {"column": match[1], "min_value": int(match[2]), "max_value": int(match[4])}
    else:
        return None
    try:
        return type_name, readable_arguments(type_name, kwargs, columns), notes
    except ValueError:  # a set of numbers written as text, say: PostgreSQL checks it itself
        return None
