"""The order of the load: parents before children."""

from collections.abc import Sequence

from etl.core.plan import TablePlan


def in_foreign_key_order(plans: Sequence[TablePlan]) -> tuple[tuple[TablePlan, ...], ...]:
    """Parents before children; tables that refer to each other in a circle form one group (Tarjan's algorithm)."""
    by_name = {(plan.target.schema, plan.name): plan for plan in plans}
    numbers: dict[tuple[str, str], int] = {}
    lowest: dict[tuple[str, str], int] = {}
    stack: list[tuple[str, str]] = []
    groups: list[tuple[TablePlan, ...]] = []

    def visit(node: tuple[str, str]) -> None:
        numbers[node] = lowest[node] = len(numbers)
        stack.append(node)
        for key in by_name[node].target.foreign_keys:
            parent = (key.parent_schema, key.parent)
            if parent in by_name and parent not in numbers:
                visit(parent)
            if parent in stack:
                lowest[node] = min(lowest[node], lowest[parent])
        if lowest[node] == numbers[node]:
            start = stack.index(node)
            groups.append(tuple(by_name[member] for member in stack[start:]))
            del stack[start:]

    for node in by_name:
        if node not in numbers:
            visit(node)
    return tuple(groups)
