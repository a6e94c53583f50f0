"""The columns of a proposed table: NOT NULL, identity, defaults and generated columns."""

from collections.abc import Iterator
from dataclasses import replace

from etl.core.proposal import Choice, ObjectKind, ProposedColumn
from etl.core.source_catalog import CatalogColumn
from etl.core.types import Kind
from etl.derivation.draft import Draft
from etl.schema.expressions import Column, NotTranslatable, translate_default, translate_generated

_ALIKE = {Kind.TEXT: {"text"}, Kind.BYTEA: {"blob"}, Kind.UUID: {"text"}}


def know_columns(draft: Draft) -> None:
    """Tells the translation of expressions what the columns are."""
    for column in draft.facts.table.columns:
        if column.name in draft.columns:
            chosen, evidence = draft.types[column.name], draft.facts.evidence.columns[column.name]
            draft.known[column.name] = Column(
                draft.columns[column.name],
                chosen.type.sql,
                column.declared,
                evidence.classes,
                column.collation,
                (_is_required(draft, column) or bool(column.key_position)) and not evidence.nulls,
            )


def propose_columns(draft: Draft) -> Iterator[ProposedColumn]:
    """The columns that are carried, in their order."""
    for column in draft.facts.table.columns:
        if column.name in draft.columns:
            _note_other_classes(draft, column)
            proposed = _plain(draft, column)
            yield _generated(draft, column, proposed) if column.generated else _default(draft, column, proposed)


def _is_required(draft: Draft, column: CatalogColumn) -> bool:
    table = draft.facts.table
    return column.not_null or column.name == table.rowid_alias or (table.without_rowid and bool(column.key_position))


def _plain(draft: Draft, column: CatalogColumn) -> ProposedColumn:
    evidence, chosen = draft.facts.evidence.columns[column.name], draft.types[column.name]
    required = _is_required(draft, column)
    if required and evidence.nulls:
        draft.notes.choices.append(
            Choice(
                ObjectKind.NOT_NULL,
                draft.facts.table.name,
                column.name,
                f"{column.declared} NOT NULL",
                "without NOT NULL",
                "rows hold NULL in it",
                evidence.nulls,
                draft.facts.evidence.rows,
                ways_out="fill the values, and then ALTER TABLE … SET NOT NULL",
            )
        )
    return ProposedColumn(
        column.name,
        draft.columns[column.name],
        column.declared,
        evidence.storage,
        evidence.nulls,
        chosen.type,
        chosen.reason,
        not_null=required and not evidence.nulls,
        identity=column.name == draft.facts.table.rowid_alias and chosen.type.kind is Kind.BIGINT,
    )


def _default(draft: Draft, column: CatalogColumn, proposed: ProposedColumn) -> ProposedColumn:
    if column.default is None or proposed.identity:
        return proposed
    found = translate_default(column.default, proposed.type.sql)
    if isinstance(found, NotTranslatable):
        draft.leave(ObjectKind.DEFAULT, column.name, f"DEFAULT {column.default}", found.reason)
        return proposed
    return proposed if found.sql == "NULL" else replace(proposed, default=found.sql)


def _generated(draft: Draft, column: CatalogColumn, proposed: ProposedColumn) -> ProposedColumn:
    plain = {c.name for c in draft.facts.table.columns if not c.generated}
    others = {name: known for name, known in draft.known.items() if name in plain}
    found = translate_generated(column.generated or "", draft.known[column.name], others)
    if not isinstance(found, NotTranslatable) and found.immutable:
        return replace(proposed, generated=found.sql)
    reason = found.reason if isinstance(found, NotTranslatable) else "it is not the same at all times"
    draft.leave(ObjectKind.GENERATED, column.name, f"GENERATED ALWAYS AS ({column.generated})", reason)
    draft.choose(
        ObjectKind.GENERATED, column.name, f"AS ({column.generated})", "a plain column with the values", reason
    )
    return proposed


def _note_other_classes(draft: Draft, column: CatalogColumn) -> None:
    """Values that change their form: a BLOB that becomes a text, a number that does."""
    evidence, type_ = draft.facts.evidence.columns[column.name], draft.types[column.name].type
    others = {name: count for name, count in evidence.storage.items() if name not in _ALIKE.get(type_.kind, {name})}
    if others:
        listed = ", ".join(f"{count:,} {name}" for name, count in others.items())
        draft.notes.choices.append(
            Choice(
                ObjectKind.COLUMN,
                draft.facts.table.name,
                column.name,
                column.declared,
                type_.sql,
                f"values of other storage classes become {type_.sql}: {listed}",
                sum(others.values()),
                evidence.values,
            )
        )
