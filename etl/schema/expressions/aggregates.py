"""Aggregates and window functions, which only a view may use, and the order of rows."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from etl.schema.expressions.comparing import compare, folded
from etl.schema.expressions.parsing import only
from etl.schema.expressions.terms import NUMBERS, Sort, Term, calculable, number, text
from etl.schema.expressions.values import Refusal
from etl.schema.expressions.walker import Handler, Walker

if TYPE_CHECKING:
    from sqlglot.expressions import Expr


def equal(left: Term, right: Term) -> str:
    """Two columns that a JOIN takes for one."""
    return compare("=", left, right).sql


def ordered(term: Term, node: "Expr") -> str:
    """A term of ORDER BY, as SQLite sorts it."""
    if term.sort is Sort.OPAQUE or term.sort in (Sort.JSON, Sort.JSON_VALUE, Sort.JSON_TYPE, Sort.STORAGE_CLASS):
        raise Refusal(f"it orders by {term.sort.value}, which the two databases sort differently")
    if term.sort is Sort.TIME and (term.column is None or term.column.form is None):
        raise Refusal("it orders by points in time whose texts have more than one form")
    sql = term.operand
    if term.sort is Sort.TEXT:
        sql = folded(term) if term.collation == "NOCASE" else f'{sql} COLLATE "C"'
    return sql + direction(node)


def direction(node: "Expr") -> str:
    """ASC or DESC, with the place of NULLs, which SQLite takes for smaller than all else."""
    only(node, "this", "desc", "nulls_first")
    descending = bool(node.args.get("desc"))
    return f"{' DESC' if descending else ''} NULLS {'FIRST' if node.args.get('nulls_first') else 'LAST'}"


def told_apart(terms: Iterable[Term]) -> None:
    """Refuses values of which SQLite and PostgreSQL take different ones for equal."""
    for term in terms:
        if term.collation != "BINARY" and term.sort is Sort.TEXT:
            raise Refusal("it tells texts apart without regard to case")
        timeless = term.sort is not Sort.TIME or (term.column is not None and term.column.form is not None)
        if term.sort not in NUMBERS | {Sort.TEXT, Sort.DATE, Sort.TIME, Sort.BYTES, Sort.NULL} or not timeless:
            raise Refusal(f"it tells {term.sort.value} from another, which the two databases do differently")


def _argument(walker: Walker, node: "Expr") -> tuple[str, Term]:
    """DISTINCT where it is written, and the aggregate's one argument."""
    inner = node.this
    if type(inner).__name__ != "Distinct":
        return "", walker.term(inner)
    only(inner, "expressions")
    (argument,) = inner.expressions if len(inner.expressions) == 1 else (None,)
    if argument is None:
        raise Refusal("DISTINCT of several values in an aggregate")
    term = walker.term(argument)
    told_apart([term])
    return "DISTINCT ", term


def _count(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "expressions")
    if node.args.get("this") is None or type(node.this).__name__ == "Star":
        return Term("count(*)", Sort.INTEGER)
    distinct, term = _argument(walker, node)
    return Term(f"count({distinct}{term.sql})", Sort.INTEGER)


def _sum(walker: Walker, node: "Expr") -> Term:
    """SQLite's sum of integers is one, and fails beyond 64 bits as ours does."""
    only(node, "this")
    distinct, term = _argument(walker, node)
    value = calculable(number(term))
    if value.sort is Sort.INTEGER:
        return Term(f"sum({distinct}{value.sql})::bigint", Sort.INTEGER)
    return Term(f"sum({distinct}{value.sql})", Sort.REAL, fractional=value.fractional)


def _average(walker: Walker, node: "Expr") -> Term:
    only(node, "this")
    distinct, term = _argument(walker, node)
    return Term(f"avg({distinct}{number(term).as_('double precision')})", Sort.REAL, fractional=True)


def _total(walker: Walker, node: "Expr") -> Term:
    (argument,) = node.expressions
    value = number(walker.term(argument))
    return Term(f"COALESCE(sum({value.as_('double precision')}), 0)", Sort.REAL, fractional=True)


def _extreme(walker: Walker, node: "Expr") -> Term:
    only(node, "this")
    name = type(node).__name__.lower()
    term = walker.term(node.this)
    if term.sort is Sort.BOOLEAN:
        term = number(term)
    if term.collation == "NOCASE" or term.sort not in NUMBERS | {Sort.TEXT, Sort.DATE, Sort.TIME}:
        raise Refusal(f"{name}() of values that the two databases sort differently")
    if term.sort is Sort.TIME and (term.column is None or term.column.form is None):
        raise Refusal(f"{name}() of points in time whose texts have more than one form")
    sql = f'{term.operand} COLLATE "C"' if term.sort is Sort.TEXT else term.sql
    return Term(f"{name}({sql})", term.sort, term.affinity, fractional=term.fractional, column=term.column)


def _joined(walker: Walker, node: "Expr") -> Term:
    """group_concat(), whose order neither database promises."""
    only(node, "this", "separator")
    distinct, term = _argument(walker, node)
    separator = walker.term(node.args["separator"]) if node.args.get("separator") is not None else None
    if distinct and separator is not None:
        raise Refusal("group_concat(DISTINCT …) with a separator")
    written = text(separator) if separator is not None else "','"
    return Term(f"string_agg({distinct}{text(term)}, {written})", Sort.TEXT)


def _filter(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "expression")
    term = walker.term(node.this)
    if "::" in term.sql or term.sql.startswith("COALESCE"):
        raise Refusal("FILTER beside such an aggregate")
    where = walker.condition(node.expression.this)
    return Term(f"{term.sql} FILTER (WHERE {where})", term.sort, fractional=term.fractional)


_RANKS = {"RowNumber": "row_number", "Rank": "rank", "DenseRank": "dense_rank"}


def _window(walker: Walker, node: "Expr") -> Term:
    """row_number(), rank(), dense_rank() and count, over partitions and an order."""
    only(node, "this", "partition_by", "order", "over")
    name = _RANKS.get(type(node.this).__name__)
    if name is None and type(node.this).__name__ != "Count":
        raise Refusal("such a window function has no known equal in PostgreSQL")
    if name is not None:
        only(node.this)
    call = f"{name}()" if name is not None else walker.term(node.this).sql
    pieces = []
    if node.args.get("partition_by"):
        terms = [walker.term(part) for part in node.args["partition_by"]]
        told_apart(terms)
        pieces.append(f"PARTITION BY {', '.join(term.sql for term in terms)}")
    if node.args.get("order") is not None:
        terms_in_order = [ordered(walker.term(part.this), part) for part in node.args["order"].expressions]
        pieces.append(f"ORDER BY {', '.join(terms_in_order)}")
    return Term(f"{call} OVER ({' '.join(pieces)})", Sort.INTEGER)


HANDLERS: dict[str, Handler] = {
    "Count": _count,
    "Sum": _sum,
    "Avg": _average,
    "total()": _total,
    "Max": _extreme,
    "Min": _extreme,
    "GroupConcat": _joined,
    "Filter": _filter,
    "Window": _window,
}
