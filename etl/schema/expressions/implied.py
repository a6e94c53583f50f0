"""CHECKs that a column's type already keeps, so that PostgreSQL needs none."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from etl.schema.expressions.parsing import parse_expression
from etl.schema.expressions.terms import Sort, Term, column_term, sort_of_type
from etl.schema.expressions.values import Column, Refusal
from etl.schema.expressions.walker import unparenthesised

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

_ZERO, _ONE = {"0", "FALSE"}, {"1", "TRUE"}
_LENGTH = re.compile(r"\((\d+)\)")
# The storage class that a value of the type has in SQLite, wherever the type was chosen for all values.
_CLASSES = {Sort.TEXT: "text", Sort.INTEGER: "integer", Sort.REAL: "real", Sort.BYTES: "blob", Sort.BOOLEAN: "integer"}


def implied_by_type(sql: str, columns: Mapping[str, Column]) -> bool:
    """Whether no value that the columns' types hold can break this CHECK.

    Such are `x IN (0, 1)` on a boolean, `json_valid(x)` on jsonb, `typeof(x) = 'text'` on a text that is NOT NULL,
    `length(x) <= 20` on varchar(20), `x IS date(x)` on a date; also beside `x IS NULL OR`, and joined by AND.

    Args:
        sql: what stands between CHECK's parentheses in SQLite's text.
        columns: the table's columns by their name in SQLite; upper and lower case are one.
    """
    try:
        return not beyond_types(parse_expression(sql), columns)
    except (Refusal, RecursionError):
        return False


def beyond_types(tree: "Expr", columns: Mapping[str, Column]) -> "list[Expr]":
    """The conditions, joined by AND, that the columns' types do not keep."""
    implied = _Implied({name.lower(): column for name, column in columns.items()})
    return [] if implied.met(tree) else [side for side in joined(tree, "And") if not implied.met(side)]


class _Implied:
    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._columns = columns

    def met(self, node: "Expr") -> bool:
        """No value makes the node false; NULL passes a CHECK."""
        node = unparenthesised(node)
        name = type(node).__name__
        if name == "And":
            return (self.met(node.this) and self.met(node.expression)) or self._flag_between(node)
        if name == "Or":
            sides = [unparenthesised(side) for side in joined(node, "Or")]
            return any(self.met(side) for side in sides) or self._either(sides)
        rules = (self._flag, self._json, self._storage, self._length, self._date)
        return any(rule(node) for rule in rules)

    def _column(self, node: "Expr | None") -> Column | None:
        node = unparenthesised(node) if node is not None else None
        if type(node).__name__ != "Column" or node is None or node.args.get("table") is not None:
            return None
        return self._columns.get(str(node.this.name).lower())

    def _is(self, node: "Expr | None", sort: Sort) -> bool:
        column = self._column(node)
        return column is not None and sort_of_type(column.type) is sort and _term(column).sort is sort

    def _either(self, sides: "list[Expr]") -> bool:
        """`x IS NULL OR …` where the rest is broken by NULL alone, and x = 0 OR x = 1 on a boolean."""
        nulls = [self._column(side.this) for side in sides if _is_null(side)]
        if any(self._met_but_for_null(side, column) for side in sides for column in nulls if column is not None):
            return True
        equal = [side for side in sides if type(side).__name__ == "EQ"]
        values = {_value(side.expression) for side in equal if self._is(side.this, Sort.BOOLEAN)}
        same = len({str(side.this) for side in equal}) == 1
        return same and bool(values & _ZERO) and bool(values & _ONE)

    def _met_but_for_null(self, node: "Expr", column: Column) -> bool:
        kept = {name: _not_null(found) if found == column else found for name, found in self._columns.items()}
        return not _is_null(node) and _Implied(kept).met(node)

    def _flag(self, node: "Expr") -> bool:
        """IN (0, 1), BETWEEN 0 AND 1, >= 0, <= 1 on a boolean."""
        if not self._is(node.args.get("this"), Sort.BOOLEAN):
            return False
        name = type(node).__name__
        if name == "In":
            values = {_value(member) for member in node.args.get("expressions") or []}
            return bool(values & _ZERO) and bool(values & _ONE)
        if name == "Between":
            return _value(node.args["low"]) in _ZERO and _value(node.args["high"]) in _ONE
        bound = _value(node.args.get("expression"))
        return (name == "GTE" and bound in _ZERO) or (name == "LTE" and bound in _ONE)

    def _flag_between(self, node: "Expr") -> bool:
        return all(self._flag(unparenthesised(side)) for side in joined(node, "And"))

    def _json(self, node: "Expr") -> bool:
        """json_valid(x), also = 1."""
        if type(node).__name__ == "EQ" and _value(node.expression) in _ONE:
            node = unparenthesised(node.this)
        call = type(node).__name__ == "Anonymous" and str(node.this).lower() == "json_valid"
        return call and len(node.expressions) == 1 and self._is(node.expressions[0], Sort.JSON)

    def _storage(self, node: "Expr") -> bool:
        """typeof(x) = 'text', or IN (…): NULL has a class of its own."""
        inner = unparenthesised(node.this) if type(node).__name__ in ("EQ", "In") else None
        column = self._column(inner.this) if type(inner).__name__ == "Typeof" and inner is not None else None
        if column is None:
            return False
        members = node.args.get("expressions") if type(node).__name__ == "In" else [node.expression]
        words = {str(member.this) for member in members or []}
        sort = sort_of_type(column.type)
        own = {_CLASSES[sort]} if sort in _CLASSES and _term(column).sort is sort else set()
        classes = own or set(column.storage)
        return bool(classes) and classes <= words and (column.not_null or "null" in words)

    def _length(self, node: "Expr") -> bool:
        """length(x) <= n on varchar(n) or less."""
        inner = unparenthesised(node.this) if type(node).__name__ in ("LTE", "LT") else None
        column = self._column(inner.this) if type(inner).__name__ == "Length" and inner is not None else None
        limit = _LENGTH.search(column.type) if column is not None and sort_of_type(column.type) is Sort.TEXT else None
        bound = _value(node.args.get("expression"))
        if limit is None or bound is None or not bound.isdecimal():
            return False
        return int(limit[1]) <= int(bound) - (type(node).__name__ == "LT")

    def _date(self, node: "Expr") -> bool:
        """x IS date(x), x = date(x), date(x) IS NOT NULL, strftime('%Y-%m-%d', x) as well, on a date."""
        name = type(node).__name__
        if name in ("EQ", "NullSafeEQ"):
            sides = [unparenthesised(side) for side in (node.this, node.expression)]
            return any(self._is(a, Sort.DATE) and _date_of(b) == a for a, b in (sides, reversed(sides)))
        if name == "Not" and _is_null(unparenthesised(node.this)):
            tested = _date_of(unparenthesised(unparenthesised(node.this).this))
            column = self._column(tested)
            return column is not None and column.not_null and self._is(tested, Sort.DATE)
        return False


def _term(column: Column) -> Term:
    return column_term(column)


def _not_null(column: Column) -> Column:
    return Column(column.name, column.type, column.declared, column.storage, column.collation, True, column.form)


def joined(node: "Expr", name: str) -> "Iterator[Expr]":
    """The sides of a chain of AND or OR."""
    node = unparenthesised(node)
    if type(node).__name__ == name:
        yield from joined(node.this, name)
        yield from joined(node.expression, name)
    else:
        yield node


def _is_null(node: "Expr") -> bool:
    return type(node).__name__ == "Is" and type(node.expression).__name__ == "Null"


def _value(node: "Expr | None") -> str | None:
    """A literal's text: numbers, and TRUE and FALSE; a text beside a boolean is none."""
    node = unparenthesised(node) if node is not None else None
    name = type(node).__name__
    if node is not None and name == "Boolean":
        return "TRUE" if node.this else "FALSE"
    return str(node.this) if node is not None and name == "Literal" and not node.args.get("is_string") else None


def _date_of(node: "Expr") -> "Expr | None":
    """What date(…), or strftime with its form, is asked of."""
    name = type(node).__name__
    if name == "Date" and set(node.args) <= {"this", "zone", "expressions"} and node.this is not None:
        found: Expr = node.this
        return found
    if name == "TimeToStr" and str(node.args["format"].this) == "%Y-%m-%d":
        inner: Expr = node.this.this
        return inner
    return None
