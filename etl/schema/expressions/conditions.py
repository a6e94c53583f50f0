"""Conditions: AND, OR, NOT, comparisons, lists, and COLLATE."""

from dataclasses import replace
from typing import TYPE_CHECKING

from etl.schema.expressions.comparing import compare
from etl.schema.expressions.parsing import only
from etl.schema.expressions.terms import Affinity, Sort, Term, compound, condition
from etl.schema.expressions.values import Refusal
from etl.schema.expressions.walker import Walker, handles, unparenthesised

if TYPE_CHECKING:
    from sqlglot.expressions import Expr


@handles("And", "Or")
def _connective(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "expression")
    if type(node).__name__ == "And":
        return compound(joined_by_and(walker, [node.this, node.expression]), Sort.BOOLEAN)
    return compound(" OR ".join(walker.condition(side) for side in (node.this, node.expression)), Sort.BOOLEAN)


def joined_by_and(walker: Walker, conditions: "list[Expr]") -> str:
    """Conditions that all have to hold."""
    if len(conditions) == 1:
        return walker.condition(conditions[0])
    return " AND ".join(_side(walker, node) for node in conditions)


def _side(walker: Walker, node: "Expr") -> str:
    sql = walker.condition(node)
    return f"({sql})" if type(unparenthesised(node)).__name__ == "Or" else sql


@handles("Not")
def _not(walker: Walker, node: "Expr") -> Term:
    only(node, "this")
    inner = unparenthesised(node.this)
    if type(inner).__name__ == "Is":
        operands_are_plain(inner.this)
    if type(inner).__name__ == "Is" and type(inner.expression).__name__ == "Null":
        return compare("IS DISTINCT FROM", _plain(walker.term(inner.this)), Term("NULL", Sort.NULL))
    return negated(walker.term(node.this))


def _plain(term: Term) -> Term:
    if term.sort is Sort.STORAGE_CLASS:
        raise Refusal("typeof() is compared with what is no written word")
    return term


def negated(term: Term) -> Term:
    """NOT."""
    sql = term.operand if term.sort is Sort.BOOLEAN else f"({condition(term)})"
    return compound(f"NOT {sql}", Sort.BOOLEAN)


_COMPARISONS = {
    "EQ": "=",
    "NEQ": "<>",
    "LT": "<",
    "LTE": "<=",
    "GT": ">",
    "GTE": ">=",
    "NullSafeEQ": "IS NOT DISTINCT FROM",
    "NullSafeNEQ": "IS DISTINCT FROM",
}


# SQLite reads these from left to right, on one level or two; sqlglot on others.
_ONE_LEVEL = frozenset({*_COMPARISONS, "Is", "In", "Between", "Like", "Glob", "Escape", "Not"})


def operands_are_plain(*operands: "Expr") -> None:
    """Refuses a comparison as the operand of another one, unless it stands in parentheses."""
    if any(type(operand).__name__ in _ONE_LEVEL for operand in operands):
        raise Refusal("comparisons are joined without parentheses")


@handles(*_COMPARISONS)
def _comparison(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "expression")
    operands_are_plain(node.this, node.expression)
    return compare(_COMPARISONS[type(node).__name__], walker.term(node.this), walker.term(node.expression))


@handles("Is")
def _is(walker: Walker, node: "Expr") -> Term:
    """IS beside NULL, TRUE or FALSE; the last two ask for truth, not for equality."""
    only(node, "this", "expression")
    operands_are_plain(node.this, node.expression)
    tested = _plain(walker.term(node.this))
    other = unparenthesised(node.expression)
    word = type(other).__name__
    if word == "Null":
        return compare("IS NOT DISTINCT FROM", tested, Term("NULL", Sort.NULL))
    if word == "Boolean":
        truth = "TRUE" if other.this else "FALSE"
        sql = tested.operand if tested.sort is Sort.BOOLEAN else f"({condition(tested)})"
        return compound(f"{sql} IS {truth}", Sort.BOOLEAN)
    return compare("IS NOT DISTINCT FROM", tested, walker.term(other))


@handles("Between")
def _between(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "low", "high")
    operands_are_plain(node.this, node.args["low"], node.args["high"])
    tested = walker.term(node.this)
    low = compare(">=", tested, walker.term(node.args["low"]))
    high = compare("<=", tested, walker.term(node.args["high"]))
    return compound(f"{low.sql} AND {high.sql}", Sort.BOOLEAN)


@handles("In")
def _in(walker: Walker, node: "Expr") -> Term:
    """A list's members are compared by the left side's affinity and collation alone."""
    only(node, "this", "expressions", "query")
    operands_are_plain(node.this)
    if node.args.get("query") is not None:
        return _in_query(walker, node)
    tested = walker.term(node.this)
    members = node.args.get("expressions") or []
    if not members:
        return Term("FALSE", Sort.BOOLEAN)
    found = [_member(tested, walker.term(member)) for member in members]
    return listed(found)


def _member(tested: Term, member: Term) -> Term:
    if member.affinity is not Affinity.NONE or member.explicit:
        raise Refusal("IN compares with what is no plain value by rules of its own")
    return compare("=", tested, member)


def listed(comparisons: list[Term]) -> Term:
    """Equalities of one left side as a list, where they are written alike; else joined by OR."""
    sides = [comparison.equal for comparison in comparisons if comparison.equal is not None]
    if len(comparisons) == 1:
        return comparisons[0]
    if len(sides) == len(comparisons) and len({left for left, _ in sides}) == 1:
        return compound(f"{sides[0][0]} IN ({', '.join(right for _, right in sides)})", Sort.BOOLEAN)
    return Term(f"({' OR '.join(comparison.operand for comparison in comparisons)})", Sort.BOOLEAN)


def _in_query(walker: Walker, node: "Expr") -> Term:
    if walker.queries is None:
        raise Refusal("a SELECT cannot stand in it")
    tested, query = walker.term(node.this), walker.queries(node.args["query"])
    equal = compare("=", tested.expression(), query.expression())
    if equal.sql != f"{tested.operand} = {query.operand}":
        raise Refusal("IN (SELECT …) compares values of two forms")
    return compound(f"{tested.operand} IN {query.operand}", Sort.BOOLEAN)


@handles("Collate")
def _collate(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "expression")
    inner = walker.term(node.this)
    collation = str(node.expression.name).upper()
    if collation not in ("BINARY", "NOCASE"):
        raise Refusal(f"the collation {collation} has no known equal in PostgreSQL")
    return replace(inner, collation=collation, explicit=True)
