"""The walk over an expression's tree.

Every node has its handler, found by its class's name; a node without one refuses the whole expression.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.schema.expressions.parsing import describe
from etl.schema.expressions.terms import Term, condition
from etl.schema.expressions.values import Refusal

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

Handler = Callable[["Walker", "Expr"], Term]
HANDLERS: dict[str, Handler] = {}
MAX_INTEGER = 2**63


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


def unparenthesised(node: "Expr") -> "Expr":
    """What stands inside of parentheses."""
    while type(node).__name__ == "Paren":
        node = node.this
    return node
