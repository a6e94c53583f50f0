"""CHECKs, DEFAULTs and generated columns in PostgreSQL's words, as far as they mean the same there."""

from etl.core.errors import SourceError
from etl.core.proposal import NameStyle, ObjectKind, ProposedConstraint
from etl.core.source_tables import quoted
from etl.derivation.names import styled
from etl.derivation.tables import Draft
from etl.schema.declarations import DeclaredCheck
from etl.schema.expressions import (
    NotTranslatable,
    implied_by_type,
    translate_check,
    translate_default,
    translate_generated,
)
from etl.source.database import Source

_TOMORROW = "it may give another result tomorrow, which PostgreSQL does not take here"


def add_generated(draft: Draft) -> None:
    """Finds out which generated columns PostgreSQL can compute; the others are filled with the source's values."""
    for column, expression in draft.declarations.generated.items():
        columns = draft.expression_columns(without_generated=True)
        translated = translate_generated(expression, draft.column(column), columns)
        if isinstance(translated, NotTranslatable):
            draft.lose(ObjectKind.GENERATED, column, expression, f"{translated.reason}; it holds the values")
        elif not translated.immutable:
            draft.lose(ObjectKind.GENERATED, column, expression, f"{_TOMORROW}; it holds the values")
        else:
            draft.generated[column] = translated.sql


def default_of(draft: Draft, column: str, default: str | None) -> str | None:
    """A column's DEFAULT as SQL; None where it has none, or none that is carried."""
    if default is None or default.strip("() ").upper() == "NULL":
        return None
    translated = translate_default(default, draft.type_of(column).sql)
    if isinstance(translated, NotTranslatable):
        draft.lose(ObjectKind.DEFAULT, column, default, translated.reason)
        return None
    return translated.sql


def add_checks(source: Source, draft: Draft, style: NameStyle) -> None:
    """Adds the CHECKs of a table; SQLite itself counts the rows that break them.

    :param source: an open source.
    :param draft: the table; its constraints are completed.
    :param style: how names are carried.
    """
    columns = draft.expression_columns()
    for check in draft.declarations.checks:
        if implied_by_type(check.expression, columns):
            draft.choose(
                ObjectKind.CHECK, None, f"CHECK ({check.expression})", "no check", "the columns' types keep it already"
            )
            continue
        translated = translate_check(check.expression, columns)
        if isinstance(translated, NotTranslatable):
            draft.lose(ObjectKind.CHECK, check.name or "", f"CHECK ({check.expression})", translated.reason)
        elif not translated.immutable:
            draft.lose(ObjectKind.CHECK, check.name or "", f"CHECK ({check.expression})", _TOMORROW)
        else:
            _add_check(source, draft, check, translated.sql, style)


def _add_check(source: Source, draft: Draft, check: DeclaredCheck, condition: str, style: NameStyle) -> None:
    name = draft.constraint_names.give(styled(check.name, style) if check.name else f"{draft.name}_check")
    sql = f"ALTER TABLE {draft.sql_name} ADD CONSTRAINT {quoted(name)} CHECK ({condition})"
    words = f"CHECK ({check.expression})"
    query = f"FROM main.{quoted(draft.catalog.name)} c WHERE NOT ({check.expression}\n)"
    draft.add_breakable(
        ProposedConstraint(
            ObjectKind.CHECK,
            draft.name,
            name,
            sql,
            words,
            unchecked=f"{sql} NOT VALID",
            broken_rows=_broken(source, query),
            broken_query=query,
        ),
        None,
        "rows that break it",
    )


def _broken(source: Source, query: str) -> int:
    """Rows that break a CHECK; 0 where SQLite cannot tell, and the server has the last word."""
    try:
        return source.count(query)
    except SourceError:
        return 0
