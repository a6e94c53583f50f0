"""Chooses each column's type: the first that its declaration proposes and all its values fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from etl.core.evidence import ColumnEvidence
from etl.core.proposal import Choice, ObjectKind
from etl.core.source_catalog import CatalogColumn
from etl.core.types import Kind, TargetType
from etl.derivation.declared import BIGINT, BYTEA, DOUBLE, NUMERIC, TEXT, types_for
from etl.derivation.proof import Blame, Proof


@dataclass(frozen=True)
class ChosenType:
    """A column's type, why it is that one, the types that would do as well, and the blame where it is not the first."""

    type: TargetType
    reason: str
    others: tuple[TargetType, ...] = ()
    choice: Choice | None = None


def wanted_types(
    column: CatalogColumn, evidence: ColumnEvidence, times: TargetType, *, alias: bool, said: TargetType | None
) -> tuple[TargetType, ...]:
    """The types to try on a column's values, the best first.

    :param column: as SQLite declares it.
    :param evidence: its storage classes.
    :param times: what DATETIME becomes.
    :param alias: it is the rowid.
    :param said: the type that the user has said.
    """
    if said is not None:
        return (said,)
    if alias:
        return (BIGINT,)
    proposed = types_for(column.declared, times)
    found = (*proposed, *_by_classes(evidence))
    if evidence.holds_only("integer", "real"):
        found = (*(target for target in found if target != TEXT), TEXT)  # a number stays one as long as it can
    return tuple(dict.fromkeys(found))


def _by_classes(evidence: ColumnEvidence) -> tuple[TargetType, ...]:
    """What holds values of the storage classes found, whatever was declared."""
    if not evidence.values:
        return (TEXT,)
    if evidence.holds_only("integer"):
        return (BIGINT, TEXT)
    if evidence.holds_only("integer", "real"):
        return (DOUBLE, NUMERIC, TEXT)
    if evidence.holds_only("integer", "real", "text"):
        return (TEXT,)
    return (BYTEA,) if evidence.holds_only("blob") else (TEXT, BYTEA)


def choose(
    table: str,
    column: CatalogColumn,
    evidence: ColumnEvidence,
    wanted: Sequence[TargetType],
    proof: Proof,
    *,
    declared: bool,
    said: bool,
) -> ChosenType:
    """The type of a column.

    :param wanted: the types that were tried, the best first.
    :param proof: what came of it.
    :param declared: the first one is taken even where values do not fit.
    :param said: the user has said the type.
    """
    holding = [target for target in wanted if proof.holds(target)]
    first = wanted[0]

    def blamed(taken: TargetType, blame: Blame, reason: str, ways_out: str) -> Choice:
        return Choice(
            ObjectKind.COLUMN,
            table,
            column.name,
            column.declared or "no type",
            taken.sql,
            reason,
            values=blame.values,
            of_values=evidence.values,
            example=blame.example,
            row=blame.row,
            ways_out=ways_out,
        )

    if said or declared or not holding:
        taken = first if said or declared else min(wanted, key=lambda target: proof.blames[target].values)
        blame = proof.blames[taken]
        reason = "said by the user" if said else "as declared"
        if not blame.values:
            return ChosenType(taken, reason, tuple(holding))
        ways = "another type in the map file's [types]" if said else "--types fit, or another type in [types]"
        why = f"{reason}; values that do not fit are rejected"
        return ChosenType(taken, reason, (), blamed(taken, blame, why, ways))
    taken = holding[0]
    if taken == first:
        return ChosenType(taken, _reason(column, evidence), tuple(holding[1:]))
    blame = proof.blames[first]
    why = f"{first.sql} does not hold every value"
    ways = f"mend the values, or --types declared to reject these rows, or [types] {column.name} in the map file"
    return ChosenType(taken, why, tuple(holding[1:]), blamed(taken, blame, why, ways))


def _reason(column: CatalogColumn, evidence: ColumnEvidence) -> str:
    if not evidence.values:
        return f"declared {column.declared}; it holds no value" if column.declared else "it holds no value"
    if not column.declared:
        return "by the values' storage classes"
    return f"declared {column.declared}, and every value fits"


_OWN_CLASSES = {Kind.TEXT: ("text",), Kind.BYTEA: ("blob",), Kind.UUID: ("text",)}


def other_classes(table: str, column: CatalogColumn, evidence: ColumnEvidence, taken: TargetType) -> Choice | None:
    """The choice, where values change their form: BLOBs and numbers that become texts, numbers that become bytes."""
    own = _OWN_CLASSES.get(taken.kind)
    others = {name: count for name, count in evidence.storage.items() if own is not None and name not in own}
    if not others:
        return None
    listed = ", ".join(f"{count:,} of class {name}" for name, count in others.items())
    return Choice(
        ObjectKind.COLUMN,
        table,
        column.name,
        column.declared or "no type",
        taken.sql,
        f"values of other storage classes take this form: {listed}",
        values=sum(others.values()),
        of_values=evidence.values,
        ways_out="another type in the map file's [types]",
    )


def tie(
    columns: Sequence[tuple[str, str]], chosen: Mapping[tuple[str, str], ChosenType], fixed: frozenset[tuple[str, str]]
) -> TargetType | None:
    """The one type for columns that foreign keys tie together: the first that all of them hold; None: there is none.

    :param columns: (table, column) of each, parents first.
    :param chosen: the types chosen so far.
    :param fixed: columns whose type cannot change: rowids, and those that the user has said.
    """
    held = [(chosen[one].type, *chosen[one].others) for one in columns]
    bound = {chosen[one].type for one in columns if one in fixed}
    order = bound if bound else dict.fromkeys(target for types in held for target in types)
    return next((target for target in order if len(bound) < 2 and all(target in types for types in held)), None)


def compatible(types: Sequence[TargetType]) -> bool:
    """Whether a foreign key can tie such columns as they are; texts of any length can refer to each other."""
    return len(set(types)) == 1 or all(target.kind is Kind.TEXT for target in types)


def tied(one: ChosenType, target: TargetType, parent: str) -> ChosenType:
    """The choice with the type that a foreign key asks for."""
    return replace(one, type=target, reason=f"the same type as {parent}, which it is tied to by a foreign key")
