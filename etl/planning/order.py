"""The order of the load: parents before children."""

from collections.abc import Iterator, Mapping, Sequence

from etl.core.plan import TablePlan

Node = tuple[str, str]
"""A table: its schema and its name."""


def in_foreign_key_order(plans: Sequence[TablePlan]) -> tuple[tuple[TablePlan, ...], ...]:
    """Parents before children; tables that refer to each other in a circle form one group.

    Tarjan's algorithm, without recursion: chains of foreign keys may be longer than Python's stack is deep.
    """
    by_name = {(plan.target.schema, plan.target.name): plan for plan in plans}
    parents = {
        node: [parent for key in plan.target.foreign_keys if (parent := (key.parent_schema, key.parent)) in by_name]
        for node, plan in by_name.items()
    }
    return tuple(tuple(by_name[node] for node in group) for group in circles(parents))


def circles(parents: Mapping[Node, Sequence[Node]]) -> Iterator[list[Node]]:
    """The strongly connected groups, those first that no other of the rest is a parent of."""
    numbers: dict[Node, int] = {}
    lowest: dict[Node, int] = {}
    stack: list[Node] = []
    open_nodes: set[Node] = set()
    for root in parents:
        if root in numbers:
            continue
        path = [(root, iter(parents[root]))]
        _open(root, numbers, lowest, stack, open_nodes)
        while path:
            node, rest = path[-1]
            parent = next(rest, None)
            if parent is None:
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[node])
                if lowest[node] == numbers[node]:
                    start = stack.index(node)
                    group = stack[start:]
                    del stack[start:]
                    open_nodes -= set(group)
                    yield group
            elif parent not in numbers:
                _open(parent, numbers, lowest, stack, open_nodes)
                path.append((parent, iter(parents[parent])))
            elif parent in open_nodes:
                lowest[node] = min(lowest[node], numbers[parent])


def _open(
    node: Node, numbers: dict[Node, int], lowest: dict[Node, int], stack: list[Node], open_nodes: set[Node]
) -> None:
    numbers[node] = lowest[node] = len(numbers)
    stack.append(node)
    open_nodes.add(node)
