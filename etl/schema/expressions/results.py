"""Values that are chosen or cast: CASE, iif(), CAST, and what makes several results one."""

from dataclasses import replace
from typing import TYPE_CHECKING

from etl.schema.expressions.comparing import compare
from etl.schema.expressions.parsing import only
from etl.schema.expressions.terms import NUMBERS, Affinity, Sort, Term, calculable, number, text
from etl.schema.expressions.values import Refusal
from etl.schema.expressions.walker import Walker, handles

if TYPE_CHECKING:
    from sqlglot.expressions import Expr


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
