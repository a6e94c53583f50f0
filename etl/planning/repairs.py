"""Decides for each column of a plan which repairs its values may have: those that the user allows and that suit it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from etl.core.errors import UsageError
from etl.core.name_map import NameMap
from etl.core.plan import ColumnPlan, TablePlan
from etl.core.repairs import EITHER, MAKES_NULL, SUGGESTED, Repair, Wish
from etl.core.source_tables import SourceTable
from etl.core.tables import TargetTable
from etl.core.text import unknown_names

Place = tuple[str, str]
"""Source table, source column."""


@dataclass(frozen=True)
class Allowed:
    """The repairs that the user allows: `everywhere`, and in single columns. `wishes`: the same as it was asked for."""

    wishes: tuple[Wish, ...] = ()
    everywhere: frozenset[Repair] = frozenset()
    places: Mapping[Place, frozenset[Repair]] = field(default_factory=dict)

    def of(self, table: str, column: str) -> tuple[Repair, ...]:
        """The repairs allowed in a column, in the order of `Repair`; what is said of the column itself wins."""
        own = self.places.get((table, column), frozenset())
        general = self.everywhere - {other for pair in EITHER for other in pair if own & set(pair)}
        return tuple(repair for repair in Repair if repair in own | general)


def check_repairs(wishes: Iterable[Wish], tables: Mapping[str, SourceTable], mapping: NameMap | None = None) -> Allowed:
    """The wishes and those of the map, held against the source's tables; columns as the source spells them.

    Raises `UsageError` for a table or column that there is not, with the nearest one, and for two repairs of one column
    that exclude each other.
    """
    asked = (*wishes, *(mapping.repairs if mapping else ()))
    everywhere: set[Repair] = set()
    places: defaultdict[Place, set[Repair]] = defaultdict(set)
    spelled: list[Wish] = []
    for wish in asked:
        found = [_place(place, tables) for place in wish.places]
        spelled.append(Wish(wish.repair, tuple(".".join(place) for place in found)))
        if not found:
            everywhere.add(wish.repair)
        for place in found:
            places[place].add(wish.repair)
    _refuse_either(everywhere, "")
    for (table, column), repairs in places.items():
        _refuse_either(repairs, f" of {table}.{column}")
    by_place = {place: frozenset(repairs) for place, repairs in places.items()}
    return Allowed(tuple(dict.fromkeys(spelled)), frozenset(everywhere), by_place)


def _refuse_either(repairs: set[Repair], of: str) -> None:
    for one, other in EITHER:
        if one in repairs and other in repairs:
            raise UsageError(f"The repairs {one} and {other}{of} exclude each other: say which.")


def _place(text: str, tables: Mapping[str, SourceTable]) -> Place:
    known = {f"{name}.{column}": (name, column) for name, table in tables.items() for column in table.column_names}
    if text in known:
        return known[text]
    alike = [place for spelled, place in known.items() if spelled.lower() == text.lower()]
    if len(alike) != 1:
        raise UsageError(unknown_names("repair: the source has no column", [text], known))
    return alike[0]


def plan_with_repairs(plan: TablePlan, allowed: Allowed) -> TablePlan:
    """The plan with the repairs of each column, and those that may be suggested."""
    return replace(plan, columns=columns_with_repairs(plan.name, plan.columns, allowed, plan.target))


def columns_with_repairs(
    table: str, columns: Sequence[ColumnPlan], allowed: Allowed, target: TargetTable | None = None
) -> tuple[ColumnPlan, ...]:
    """The same for columns; `target` None: what a column may not have is not known."""
    return tuple(
        replace(
            column,
            repairs=tuple(
                repair for repair in allowed.of(table, column.source) if unsuited(repair, column, target) is None
            ),
            helpful=tuple(repair for repair in SUGGESTED if unsuited(repair, column, target) is None),
        )
        for column in columns
    )


def unsuited(repair: Repair, column: ColumnPlan, target: TargetTable | None) -> str | None:
    """Why a column cannot have the repair, in words; None where it can."""
    if not repair.suits(column.type):
        return f"it is not for {column.type.sql}"
    if target is None:
        return None
    if repair in MAKES_NULL and any(one.name == column.target and one.not_null for one in target.columns):
        return "the column is NOT NULL"
    references = {name for key in target.foreign_keys for name in key.columns}
    if repair is Repair.ORPHAN_NULL and column.target not in references:
        return "the column refers to no other table"
    if repair is Repair.TRUNCATE and column.target in references.union(*(key.columns for key in target.keys)):
        return "the column is part of a key"
    return None


def unused_wishes(allowed: Allowed, used: Iterable[tuple[Place, str]], plans: Iterable[TablePlan]) -> Iterable[str]:
    """A sentence for each wish that altered nothing; `used`: columns, and what was done to values there, in words."""
    made = {(place, name) for place, words in used for name in map(_bare, words.split(" + "))}
    columns = {f"{plan.name}.{column.source}": (column, plan.target) for plan in plans for column in plan.columns}
    for wish in allowed.wishes:
        if not wish.places and not any(name == wish.repair for _, name in made):
            yield f"--repair {wish} matched nothing"
        for place in wish.places:
            if any(".".join(where) == place and name == wish.repair for where, name in made):
                continue
            known = columns.get(place)
            why = "the column is not in this run" if known is None else unsuited(wish.repair, *known)
            yield f"--repair {Wish(wish.repair, (place,))} matched nothing" + (f": {why}" if why else "")


def _bare(step: str) -> str:
    """`utf8` of `utf8 (U+FFFD)`."""
    return step.partition(" (")[0]
