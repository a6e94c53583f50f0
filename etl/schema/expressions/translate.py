"""The translations of a table's expressions: CHECK, DEFAULT, generated columns, and indexes."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

# These register the handlers of their nodes when they are imported.
from etl.schema.expressions import arithmetic, functions, json_functions, literals, moments, patterns  # noqa: F401
from etl.schema.expressions.assignment import assigned, generated
from etl.schema.expressions.comparing import folded
from etl.schema.expressions.conditions import joined_by_and
from etl.schema.expressions.implied import beyond_types
from etl.schema.expressions.parsing import double_quoted, parse_expression
from etl.schema.expressions.random_ids import random_id
from etl.schema.expressions.terms import Sort, Term, affinity_of, column_term
from etl.schema.expressions.values import Column, NotTranslatable, Refusal, Translated
from etl.schema.expressions.walker import Scope, Walker, unparenthesised

if TYPE_CHECKING:
    from sqlglot.expressions import Expr


def translate_check(sql: str, columns: Mapping[str, Column]) -> Translated | NotTranslatable:
    """A CHECK's condition in PostgreSQL's words.

    Args:
        sql: what stands between CHECK's parentheses in SQLite's text.
        columns: the table's columns by their name in SQLite; upper and lower case are one.

    Returns:
        The condition, for `CHECK (…)`: it is false for exactly the rows for which SQLite's is. What the types keep
        already is left out; where that is all, `implied_by_type` says so. Arithmetic beyond 64 bits raises an error
        instead. Or the reason why there is none.
    """

    def check(walker: Walker, tree: "Expr") -> str:
        conditions = beyond_types(tree, columns) or [tree]
        return joined_by_and(walker, conditions)

    return _translated(sql, columns, check)


def translate_where(sql: str, columns: Mapping[str, Column]) -> Translated | NotTranslatable:
    """A partial index's condition, as `translate_check` does it."""
    return _translated(sql, columns, Walker.condition)


def translate_index(sql: str, columns: Mapping[str, Column]) -> Translated | NotTranslatable:
    """An expression that is indexed, without DESC, and without parentheses around it.

    Equal values of SQLite's expression are equal values of this one; where it compares by NOCASE, its letters are
    lower case.
    """
    return _translated(sql, columns, lambda walker, tree: _indexed(walker.term(tree)))


_TOLD_APART = (Sort.OPAQUE, Sort.JSON_VALUE, Sort.JSON_TYPE, Sort.STORAGE_CLASS, Sort.NULL)


def _indexed(term: Term) -> str:
    if term.sort in _TOLD_APART and (term.column is None or term.sort is Sort.STORAGE_CLASS):
        raise Refusal(f"it gives {term.sort.value}, which the two databases tell apart differently")
    if term.sort is Sort.TEXT and term.collation == "NOCASE":
        return folded(term)
    if term.collation not in ("BINARY", "NOCASE"):
        raise Refusal(f"the collation {term.collation} has no known equal in PostgreSQL")
    return term.sql


def translate_generated(sql: str, column: Column, columns: Mapping[str, Column]) -> Translated | NotTranslatable:
    """A generated column's expression, for `GENERATED ALWAYS AS (…) STORED`.

    Args:
        sql: what stands between the parentheses in SQLite's text.
        column: the generated column itself.
        columns: the table's columns by their name in SQLite; PostgreSQL lets a generated column read no other one, so
            leave out those that are generated.
    """
    affinity = affinity_of(column.declared)
    return _translated(sql, columns, lambda walker, tree: generated(walker.term(tree), column.type, affinity))


def translate_default(sql: str, target_type: str) -> Translated | NotTranslatable:
    """A DEFAULT in the column's type, for `DEFAULT …`.

    Args:
        sql: the default as PRAGMA table_xinfo gives it.
        target_type: the column's type in PostgreSQL.

    Returns:
        Literals as the load would convert them; the clock, in UTC, and random identifiers in PostgreSQL's words, which
        are not immutable.
    """
    try:
        tree = parse_expression(sql.strip().removeprefix("+"))
        walker = Walker(_no_column, _names_as_texts(sql, tree), clock=True)
        random = random_id(tree)
        found = assigned(random or walker.term(tree), target_type)
    except Refusal as refusal:
        return NotTranslatable(str(refusal))
    return Translated(found, immutable=walker.immutable and random is None)


def _no_column(_name: str, _table: str | None) -> Term | None:
    return None


def _names_as_texts(sql: str, tree: "Expr") -> frozenset[str]:
    """A default reads no column: every name in it is a text, `DEFAULT draft` as well."""
    alone = unparenthesised(tree)
    if type(alone).__name__ == "Column" and not sql.lstrip().startswith("("):
        alone.this.set("quoted", True)
        return frozenset({str(alone.this.name)})
    return frozenset(double_quoted(sql))


def _translated(
    sql: str, columns: Mapping[str, Column], translation: "Callable[[Walker, Expr], str]"
) -> Translated | NotTranslatable:
    try:
        walker = Walker(table_scope(columns), frozenset(double_quoted(sql)))
        found = translation(walker, parse_expression(sql))
    except Refusal as refusal:
        return NotTranslatable(str(refusal))
    except RecursionError:
        return NotTranslatable("it is nested too deeply")
    return Translated(found, immutable=walker.immutable)


def table_scope(columns: Mapping[str, Column]) -> Scope:
    """Finds a table's columns by name, in any case; a table's name before it can only be its own."""
    terms = {name.lower(): column_term(column) for name, column in columns.items()}

    def scope(name: str, _table: str | None) -> Term | None:
        return terms.get(name.lower())

    return scope
