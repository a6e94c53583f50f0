"""Paths into JSON that is kept as jsonb.

What SQLite takes out of JSON is an integer, a REAL or a text from row to row; in PostgreSQL it is a text. So only what
asks for NULL or for a written text is translated.
"""

import re
from typing import TYPE_CHECKING

from etl.schema.expressions.parsing import only
from etl.schema.expressions.terms import Sort, Term
from etl.schema.expressions.values import Refusal
from etl.schema.expressions.walker import Walker, handles

if TYPE_CHECKING:
    from sqlglot.expressions import Expr


@handles("json_valid()")
def _json_valid(walker: Walker, node: "Expr") -> Term:
    """Whatever jsonb holds is valid."""
    if len(node.expressions) != 1:
        raise Refusal("json_valid() with flags has no known equal in PostgreSQL")
    value = walker.term(node.expressions[0])
    if value.sort is not Sort.JSON:
        raise Refusal("json_valid() of a text needs PostgreSQL 16")
    return Term(f"NULLIF({value.operand} IS NOT NULL, FALSE)", Sort.BOOLEAN)


_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def json_steps(walker: Walker, node: "Expr") -> tuple[str, list[str]]:
    """A JSON column's SQL and the steps of a path into it, each as an operand of -> ."""
    if type(node).__name__ in ("JSONExtract", "JSONExtractScalar"):
        only(node, "this", "expression")
        base, steps = json_steps(walker, node.this)
        return base, [*steps, *_path(node.expression)]
    value = walker.term(node)
    if value.sort is not Sort.JSON or value.column is None or not value.column.type.lower().startswith("jsonb"):
        raise Refusal("a path into JSON that is kept as a text")
    return value.operand, []


def _path(path: "Expr") -> list[str]:
    if type(path).__name__ != "JSONPath":
        raise Refusal("a path into JSON that is no literal")
    found = []
    for part in path.expressions[1:]:
        kind, step = type(part).__name__, part.this
        if kind == "JSONPathKey" and isinstance(step, str) and _STEP.fullmatch(step):
            found.append(f"'{step}'")
        elif kind == "JSONPathSubscript" and isinstance(step, int) and step >= 0:
            found.append(str(step))
        else:
            raise Refusal("a path into JSON with steps of an unusual form")
    if not found:
        raise Refusal("a path into JSON that names the whole")
    return found


@handles("JSONExtract", "JSONExtractScalar")
def _json_extract(walker: Walker, node: "Expr") -> Term:
    """A JSON value's sort may differ from row to row: only what asks for a text, or for NULL, is the same."""
    base, steps = json_steps(walker, node)
    if type(node).__name__ == "JSONExtract":
        raise Refusal("-> gives JSON's own text, which the two databases write differently")
    path = "".join(f" -> {step}" for step in steps[:-1])
    return Term(f"({base}{path} ->> {steps[-1]})", Sort.JSON_VALUE)


@handles("JSONType")
def _json_type(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "expression")
    inner, steps = json_steps(walker, node.this)
    if node.args.get("expression") is not None:
        steps = [*steps, *_path(node.expression)]
    path = "".join(f" -> {step}" for step in steps)
    return Term(f"jsonb_typeof({inner}{path})", Sort.JSON_TYPE)
