"""What became of the parent of an orphan: only the source can tell whether it was rejected or never was."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from etl.core.plan import TablePlan
from etl.core.rejects import Fault, RejectRule
from etl.core.tables import ForeignKey
from etl.core.values import StorageValue
from etl.source.database import Source


def explain_orphan(source: Source, plan: TablePlan, fault: Fault, row: Mapping[str, StorageValue]) -> tuple[Fault, str]:
    """The fault of a row whose parent is missing, and the reason with its values.

    `fault.constraint` names the foreign key. Parents are named by the source's columns of the same names, matched
    without regard to case.
    """
    key = next(key for key in plan.target.foreign_keys if key.name == fault.constraint)
    source_of = {column.target: column.source for column in plan.columns}
    values = [row[source_of[name]] for name in key.columns]
    named = ", ".join(f"{name} = {value!r}" for name, value in zip(key.parent_columns, values, strict=True))
    what = f"foreign key {key.name}:"
    if not _has_parent(source, key, values):
        missing = replace(fault, code=RejectRule.PARENT_MISSING, words=f"{what} {key.parent} has no such row")
        return missing, f"{what} {key.parent} has no row with {named}, neither here nor in the target"
    if _has_parent(source, key, values, exactly=True):
        words = f"{what} its parent in {key.parent} was rejected"
        rejected = replace(fault, code=RejectRule.PARENT_REJECTED, words=words)
        return rejected, f"{what} its parent in {key.parent} ({named}) was rejected"
    words = f"{what} {key.parent} has its parent in another spelling only"
    return replace(fault, code=RejectRule.PARENT_SPELLED_OTHERWISE, words=words), (
        f"{what} {key.parent} has no row with {named} exactly; SQLite's collation takes "
        "another spelling for the same, PostgreSQL does not: spell both alike"
    )


def _has_parent(source: Source, key: ForeignKey, values: Sequence[StorageValue], *, exactly: bool = False) -> bool:
    parent = next((table for name, table in source.tables.items() if name.lower() == key.parent.lower()), None)
    if parent is None:
        return False
    columns = {name.lower(): name for name in parent.column_names}
    names = [columns.get(name.lower()) for name in key.parent_columns]
    known = {name: value for name, value in zip(names, values, strict=True) if name is not None}
    return len(known) == len(values) and source.has_row(parent.name, known, exactly=exactly)
