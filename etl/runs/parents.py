"""What became of the parent of an orphan: only the source can tell whether it was rejected or never was."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from etl.core.plan import TablePlan
from etl.core.rejects import Fault, RejectRule
from etl.core.repairs import HelpfulWish, Repair
from etl.core.tables import ForeignKey
from etl.core.values import StorageValue
from etl.loading.orphans import nullable_by_repair
from etl.source.database import Source


def explain_orphan(
    source: Source, plan: TablePlan, plans: Mapping[str, TablePlan], fault: Fault, row: Mapping[str, StorageValue]
) -> tuple[Fault, str]:
    """The fault of a row whose parent is missing, and the reason with its values.

    `fault.constraint` names the foreign key; `plans` are those of the run, by the target's names. A parent that is not
    among them is looked for in the source by its name in the target, without regard to case.
    """
    key = next(key for key in plan.target.foreign_keys if key.name == fault.constraint)
    source_of = {column.target: column.source for column in plan.columns}
    values = [row[source_of[name]] for name in key.columns]
    parent = _parent(source, key, plans)
    names = parent.columns or key.parent_columns
    named = ", ".join(f"{name} = {value!r}" for name, value in zip(names, values, strict=True))
    what = f"foreign key {key.name}:"
    if not _has_parent(source, parent, values):
        repairs = tuple(
            HelpfulWish(column, Repair.ORPHAN_NULL) for column in nullable_by_repair(plan, key, suggested=True).values()
        )
        words = f"{what} {parent.shown} has no such row"
        missing = replace(fault, code=RejectRule.PARENT_MISSING, words=words, repairs=repairs)
        return missing, f"{what} {parent.shown} has no row with {named}, neither here nor in the target"
    if _has_parent(source, parent, values, exactly=True):
        words = f"{what} its parent in {parent.shown} was rejected"
        rejected = replace(fault, code=RejectRule.PARENT_REJECTED, words=words)
        return rejected, f"{what} its parent in {parent.shown} ({named}) was rejected"
    words = f"{what} {parent.shown} has its parent in another spelling only"
    return replace(fault, code=RejectRule.PARENT_SPELLED_OTHERWISE, words=words), (
        f"{what} {parent.shown} has no row with {named} exactly; SQLite's collation takes "
        "another spelling for the same, PostgreSQL does not: spell both alike"
    )


def without_parent_in_source(
    source: Source,
    plans: Mapping[str, TablePlan],
    plan: TablePlan,
    key: ForeignKey,
    rows: Sequence[tuple[int, int | None]],
) -> set[int]:
    """Which of these rows (number and rowid) refer to a parent that the source itself lacks; `plans` as above."""
    parent = _parent(source, key, plans)
    source_of = {column.target: column.source for column in plan.columns}
    names = [source_of[name] for name in key.columns]
    known: dict[tuple[StorageValue, ...], bool] = {}
    found: set[int] = set()
    for number, row in source.rows(plan.source, [number for number, _ in rows], [rowid for _, rowid in rows]):
        values = tuple(row[name] for name in names)
        if values not in known:
            known[values] = _has_parent(source, parent, values)
        if not known[values]:
            found.add(number)
    return found


@dataclass(frozen=True)
class _Parent:
    """The table to which a foreign key refers. `table` is the source's name, None where the source has no such table;
    `columns` are the source's names of the key, empty where it lacks one."""

    shown: str
    table: str | None
    columns: tuple[str, ...]


def _parent(source: Source, key: ForeignKey, plans: Mapping[str, TablePlan]) -> _Parent:
    plan = plans.get(key.parent)
    if plan is not None:
        shown = plan.name if plan.target_name is None else f"{plan.name} ({plan.target_name} in the target)"
        return _Parent(shown, plan.name, _all_of(key.parent_columns, plan.source_of))
    table = next((table for name, table in source.tables.items() if name.lower() == key.parent.lower()), None)
    if table is None:
        return _Parent(key.parent, None, ())
    known = {name.lower(): name for name in table.column_names}
    return _Parent(key.parent, table.name, _all_of([name.lower() for name in key.parent_columns], known))


def _all_of(names: Sequence[str], known: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(known[name] for name in names) if set(names) <= known.keys() else ()


def _has_parent(source: Source, parent: _Parent, values: Sequence[StorageValue], *, exactly: bool = False) -> bool:
    if parent.table is None or not parent.columns:
        return False
    known = dict(zip(parent.columns, values, strict=True))
    return source.has_row(parent.table, known, exactly=exactly)
