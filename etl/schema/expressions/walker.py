"""The walk over an expression's tree: operators, literals and columns. Functions stand in `functions`.

Every node has its handler, found by its class's name; a node without one refuses the whole expression.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from etl.schema.expressions.comparing import compare
from etl.schema.expressions.parsing import describe, only
from etl.schema.expressions.terms import NUMBERS, Affinity, Sort, Term, compound, condition, number, text
from etl.schema.expressions.values import Refusal, text_literal

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

Handler = Callable[["Walker", "Expr"], Term]
HANDLERS: dict[str, Handler] = {}
_MAX_INTEGER = 2**63


Scope = Callable[[str, str | None], Term | None]
"""Finds what a column's name, with its table's where it is written, means at this place; None where it is no column."""


def handles(*names: str) -> Callable[[Handler], Handler]:
    """Makes a function the handler of the nodes of these classes."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(names, handler))
        return handler

    return register


@dataclass
class Walker:
    """Translates the nodes of one expression.

    texts: the double-quoted names of the source text; such a name is a text where it is no column.
    clock: whether the clock and random values may be asked, as in a default.
    queries: translates a nested SELECT, where one may stand.
    """

    scope: Scope
    texts: frozenset[str] = frozenset()
    clock: bool = False
    immutable: bool = True
    queries: "Callable[[Expr], Term] | None" = None
    extra: Mapping[str, Handler] = field(default_factory=dict)

    def term(self, node: "Expr") -> Term:
        """The node, translated."""
        name = type(node).__name__
        if name == "Anonymous":
            name = f"{str(node.this).lower()}()"
        handler = self.extra.get(name) or HANDLERS.get(name)
        if handler is None:
            raise Refusal(f"{describe(node)} has no known equal in PostgreSQL")
        return handler(self, node)

    def terms(self, nodes: "list[Expr]") -> list[Term]:
        """Several nodes, translated."""
        return [self.term(node) for node in nodes]

    def condition(self, node: "Expr") -> str:
        """The node where a truth value is asked for."""
        return condition(self.term(node))


@handles("Column")
def _column(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "table")
    table = node.args.get("table")
    name = str(node.this.name)
    found = walker.scope(name, table.name if table else None)
    if found is not None:
        return found
    if table is None and node.this.args.get("quoted") and name in walker.texts:
        return Term(text_literal(name), Sort.TEXT, literal=name)
    raise Refusal(f"there is no column {name} among the known ones")


@handles("Literal")
def _literal(_walker: Walker, node: "Expr") -> Term:
    value = str(node.this)
    if node.args.get("is_string"):
        if "\0" in value:
            raise Refusal("a text with a NUL character cannot exist in PostgreSQL")
        return Term(text_literal(value), Sort.TEXT, literal=value)
    return number_literal(value)


def number_literal(value: str) -> Term:
    """A number's literal: digits alone are an integer unless they are too many."""
    if value.isdecimal() and value.isascii():
        if int(value) >= _MAX_INTEGER:
            raise Refusal(f"the integer {value} is beyond 64 bits")
        plain = str(int(value))
        return Term(plain, Sort.INTEGER, literal=plain)
    try:
        parsed = float(value)
    except ValueError as error:
        raise Refusal(f"the number {value} is not understood") from error
    if not math.isfinite(parsed):
        raise Refusal(f"the number {value} is beyond floating point")
    plain = value.rstrip(".") + ".0" if value.endswith(".") else value
    return Term(plain, Sort.REAL, literal=plain, fractional=True)


@handles("Null")
def _null(_walker: Walker, _node: "Expr") -> Term:
    return Term("NULL", Sort.NULL)


@handles("Boolean")
def _boolean(_walker: Walker, node: "Expr") -> Term:
    return Term("TRUE" if node.this else "FALSE", Sort.BOOLEAN, literal=str(int(bool(node.this))))


@handles("HexString")
def _hex(_walker: Walker, node: "Expr") -> Term:
    digits = str(node.this).lower()
    if len(digits) % 2:
        raise Refusal("a BLOB's literal has an odd number of digits")
    return Term(f"'\\x{digits}'::bytea", Sort.BYTES)


@handles("Paren")
def _paren(walker: Walker, node: "Expr") -> Term:
    only(node, "this")
    return walker.term(node.this)


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


def unparenthesised(node: "Expr") -> "Expr":
    """What stands inside of parentheses."""
    while type(node).__name__ == "Paren":
        node = node.this
    return node


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


@handles("Neg")
def _negative(walker: Walker, node: "Expr") -> Term:
    only(node, "this")
    inner = unparenthesised(node.this)
    if type(inner).__name__ == "Literal" and not inner.args.get("is_string") and str(inner.this) == str(_MAX_INTEGER):
        return Term(f"(-{_MAX_INTEGER})", Sort.INTEGER, literal=f"-{_MAX_INTEGER}")
    term = number(walker.term(node.this))
    if term.literal is not None and not term.literal.startswith("-"):
        sql = "0" if term.literal == "0" else f"-{term.literal}"
        return Term(sql, term.sort, literal=sql, atom=False, fractional=term.fractional)
    term = calculable(term)
    return compound(f"-{term.operand}", term.sort, fractional=term.fractional, now=term.now)


_ARITHMETIC = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Mod": "%"}


@handles(*_ARITHMETIC)
def _arithmetic(walker: Walker, node: "Expr") -> Term:
    """Integers as bigint, all else as double precision, as SQLite does.

    A sum beyond 64 bits is an error here, while SQLite goes on with a REAL. Integers beyond 2^53 are rounded beside a
    decimal number, where SQLite calculates exactly if it holds that one as an integer.
    """
    only(node, "this", "expression")
    operator = _ARITHMETIC[type(node).__name__]
    left, right = calculable(walker.term(node.this)), calculable(walker.term(node.expression))
    now = left.now or right.now
    if Sort.NULL in (left.sort, right.sort):
        return Term("NULL", Sort.NULL)
    if operator == "%" and Sort.REAL in (left.sort, right.sort):
        raise Refusal("SQLite cuts the fractions off before it divides for the rest")
    real = Sort.REAL in (left.sort, right.sort)
    if operator == "/" and real and not (left.fractional or right.fractional):
        raise Refusal("SQLite divides such numbers as integers where both have no fraction")
    divisor = right.operand if operator in "+-*" or _nonzero(right) else f"NULLIF({right.sql}, 0)"
    fractional = left.fractional or right.fractional
    sort = Sort.REAL if real else Sort.INTEGER
    return compound(f"{_wide(left, right).operand} {operator} {divisor}", sort, fractional=fractional, now=now)


def _nonzero(term: Term) -> bool:
    return term.literal is not None and float(term.literal) != 0


def calculable(term: Term) -> Term:
    """A number as an operand of arithmetic: bigint or double precision."""
    if term.sort is Sort.NULL:
        return term
    term = number(term)
    if term.sort is Sort.DECIMAL or (term.sort is Sort.REAL and term.literal is not None):
        sql = term.as_("double precision")
        return Term(sql, Sort.REAL, fractional=term.fractional)
    return term


def _wide(left: Term, right: Term) -> Term:
    """The left operand, as bigint where PostgreSQL would calculate with 32 bits."""
    if Sort.REAL in (left.sort, right.sort):
        return left
    if "bigint" in (_type(left), _type(right)) or "::bigint" in left.sql + right.sql:
        return left
    return Term(left.as_("bigint"), Sort.INTEGER)


def _type(term: Term) -> str:
    return term.column.type.lower() if term.column is not None else ""


@handles("DPipe")
def _concatenation(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "expression")
    sides = [text(walker.term(side)) for side in (node.this, node.expression)]
    return compound(" || ".join(sides), Sort.TEXT)


@handles("Collate")
def _collate(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "expression")
    inner = walker.term(node.this)
    collation = str(node.expression.name).upper()
    if collation not in ("BINARY", "NOCASE"):
        raise Refusal(f"the collation {collation} has no known equal in PostgreSQL")
    return replace(inner, collation=collation, explicit=True)


@handles("Case")
def _case(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "ifs", "default")
    subject = walker.term(node.this) if node.args.get("this") is not None else None
    whens, results = [], []
    for branch in node.args["ifs"]:
        tested = compare("=", subject, walker.term(branch.this)).sql if subject else walker.condition(branch.this)
        whens.append(tested)
        results.append(walker.term(branch.args["true"]))
    if node.args.get("default") is not None:
        results.append(walker.term(node.args["default"]))
    return cases(whens, results)


@handles("If")
def _if(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "true", "false")
    results = [walker.term(node.args[name]) for name in ("true", "false") if node.args.get(name) is not None]
    return cases([walker.condition(node.this)], results)


def cases(whens: list[str], results: list[Term]) -> Term:
    """CASE; a result beyond the conditions is the ELSE."""
    results = alike(results)
    branches = [f"WHEN {when} THEN {result.sql}" for when, result in zip(whens, results, strict=False)]
    if len(results) > len(whens):
        branches.append(f"ELSE {results[-1].sql}")
    return Term(f"CASE {' '.join(branches)} END", sort_of(results), fractional=all(r.fractional for r in results))


def sort_of(terms: list[Term]) -> Sort:
    """The one sort of terms that are alike, NULLs aside."""
    return next((term.sort for term in terms if term.sort is not Sort.NULL), Sort.NULL)


def alike(terms: list[Term]) -> list[Term]:
    """Terms of one sort, for CASE and COALESCE; numbers are widened to the one that holds all."""
    sorts = {term.sort for term in terms} - {Sort.NULL}
    if len(sorts) > 1 and sorts <= NUMBERS:
        widened = [term if term.sort is Sort.NULL else calculable(term) for term in terms]
        real = any(term.sort is Sort.REAL for term in widened)
        terms = [Term(t.as_("double precision"), Sort.REAL) if real and t.sort is Sort.INTEGER else t for t in widened]
    elif len(sorts) > 1:
        raise Refusal(f"one result is {' and another is '.join(sorted(sort.value for sort in sorts))}")
    if not sorts <= NUMBERS | {Sort.TEXT, Sort.BYTES, Sort.DATE}:
        raise Refusal("its results have forms that the two databases write differently")
    return terms


_CASTS = {
    "INT": "INTEGER",
    "BIGINT": "INTEGER",
    "SMALLINT": "INTEGER",
    "TINYINT": "INTEGER",
    "TEXT": "TEXT",
    "VARCHAR": "TEXT",
    "NVARCHAR": "TEXT",
    "FLOAT": "REAL",
    "DOUBLE": "REAL",
}


@handles("Cast")
def _cast(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "to")
    written = node.args["to"].this.name
    if written not in _CASTS:
        raise Refusal(f"a CAST to {written} has no known equal in PostgreSQL")
    return cast(walker.term(node.this), _CASTS[written])


def cast(term: Term, to: str) -> Term:
    """SQLite's CAST, which looks at the type's affinity alone: to INTEGER, REAL or TEXT."""
    if term.sort is Sort.NULL:
        return term
    if to == "TEXT":
        if term.sort is Sort.TEXT:
            return replace(term, affinity=Affinity.TEXT, literal=None, column=None)
        owns = term.owns_collation
        return Term(text(term), Sort.TEXT, Affinity.TEXT, term.collation, owns_collation=owns, now=term.now)
    if term.sort not in NUMBERS:
        raise Refusal(f"a CAST of {term.sort.value} to {to} reads its leading part alone")
    value = number(term)
    if to == "REAL":
        return Term(value.as_("double precision"), Sort.REAL, Affinity.REAL, fractional=True, now=term.now)
    if value.sort is Sort.INTEGER:
        return replace(value, affinity=Affinity.NUMERIC, column=None)
    return Term(f"trunc({value.sql})::bigint", Sort.INTEGER, Affinity.NUMERIC, now=term.now)
