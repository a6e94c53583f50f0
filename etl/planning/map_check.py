"""Holds a map against both catalogues: every name in it exists, and no two decisions contradict each other."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from etl.core.errors import UsageError
from etl.core.name_map import NameMap
from etl.core.source_tables import SourceTable
from etl.core.tables import TargetTable
from etl.core.text import did_you_mean

SHOWN_PROBLEMS = 10
V = TypeVar("V")


def check_map(
    names: NameMap, source: Mapping[str, SourceTable], target: Mapping[str, TargetTable] | None = None
) -> NameMap:
    """The map with table and column names spelled as the source spells them.

    :param names: the user's decisions; names of the source may differ from it in case where that is unambiguous.
    :param source: the source's tables.
    :param target: the target's tables; None where there is no target yet, and its names are not checked.
    :raises UsageError: names each unknown name with the nearest one, and each contradiction.
    """
    found = _as_spelled(names, source)
    problems = [*_unknown_in_source(found, source), *_contradictions(found)]
    if target is not None:
        problems += _unknown_in_target(found, target)
    _refuse(problems)
    return found


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        shown = "\n".join(f"  {problem}" for problem in problems[:SHOWN_PROBLEMS])
        more = f"\n  … and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        raise UsageError(f"The map cannot be used:\n{shown}{more}\nNothing was written.")


def check_columns(names: NameMap, pairs: Mapping[str, str], target: Mapping[str, TargetTable]) -> None:
    """Holds the target's column names in the map against the tables with which theirs are paired.

    :param names: a map that `check_map` has passed.
    :param pairs: source table → target table.
    :raises UsageError: names each unknown name with the nearest one.
    """
    _refuse(list(_unknown_in_target(replace(names, tables={**pairs, **names.tables}), target)))


def _as_spelled(names: NameMap, source: Mapping[str, SourceTable]) -> NameMap:
    def table(name: str) -> str:
        return _spelled(name, source)

    def column(of: str, name: str) -> str:
        return _spelled(name, source[table(of)].column_names) if table(of) in source else name

    def by_table(section: Mapping[str, Mapping[str, V]]) -> dict[str, dict[str, V]]:
        return {table(of): {column(of, name): value for name, value in cells.items()} for of, cells in section.items()}

    return replace(
        names,
        tables={table(name): other for name, other in names.tables.items()},
        columns=by_table(names.columns),
        types=by_table(names.types),
        times=by_table(names.times),
    )


def _spelled(name: str, known: Collection[str]) -> str:
    if name in known:
        return name
    alike = [other for other in known if other.lower() == name.lower()]
    return alike[0] if len(alike) == 1 else name


def _unknown_in_source(names: NameMap, source: Mapping[str, SourceTable]) -> Iterator[str]:
    for name in names.tables:
        if name not in source:
            yield f"[tables] the source has no table {name!r}{did_you_mean(name, source)}"
    for section, tables in (("columns", names.columns), ("types", names.types), ("times", names.times)):
        for table, cells in tables.items():
            if table not in source:
                yield f"[{section}.{table}] the source has no table {table!r}{did_you_mean(table, source)}"
                continue
            known = source[table].column_names
            for column in cells:
                if column not in known:
                    hint = did_you_mean(column, known)
                    yield f"[{section}.{table}] the source's {table} has no column {column!r}{hint}"


def _unknown_in_target(names: NameMap, target: Mapping[str, TargetTable]) -> Iterator[str]:
    for name, other in names.tables.items():
        if other is not None and other not in target:
            yield f"[tables] {name} = {other!r}: the target has no such table{did_you_mean(other, target)}"
    for table, cells in names.columns.items():
        other = names.tables.get(table)
        if other is None or other not in target:
            continue  # which table it is paired with is known only later
        known = [column.name for column in target[other].columns]
        for column, wanted in cells.items():
            if wanted is not None and wanted not in known:
                hint = did_you_mean(wanted, known)
                yield f"[columns.{table}] {column} = {wanted!r}: the target's {other} has no such column{hint}"


def _contradictions(names: NameMap) -> Iterator[str]:
    for target, sources in _claimed_twice(names.tables):
        yield f"[tables] {sources} all go to {target!r}; each table of the target takes one"
    for table in sorted(names.left_out):
        for section, tables in (("columns", names.columns), ("types", names.types), ("times", names.times)):
            if tables.get(table):
                yield f"[{section}.{table}] contradicts [tables] {table} = false, which leaves the table out"
    for table, cells in names.columns.items():
        for target, columns in _claimed_twice(cells):
            yield f"[columns.{table}] {columns} all go to {target!r}; each column of the target takes one"
        for column in cells:
            if cells[column] is None and column in {**names.types.get(table, {}), **names.times.get(table, {})}:
                yield f"[columns.{table}] {column} = false contradicts what [types] or [times] says of it"


def _claimed_twice(decisions: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    counts = Counter(target for target in decisions.values() if target is not None)
    for target, count in counts.items():
        if count > 1:
            yield target, " and ".join(repr(name) for name, other in decisions.items() if other == target)
