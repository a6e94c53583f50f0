"""The order of the load: parents first, however long the chain; circles together."""

from itertools import pairwise

from planning.test_plan import source_table, target_table

from etl.core.plan import TablePlan
from etl.planning.order import in_foreign_key_order


def table(name: str, *parents: str) -> TablePlan:
    return TablePlan(source_table(name), target_table(name, parents=parents), ())


def order(*tables: TablePlan) -> list[list[str]]:
    return [sorted(plan.name for plan in group) for group in in_foreign_key_order(tables)]


def test_a_chain_longer_than_pythons_stack() -> None:
    names = [f"t{number}" for number in range(5_000)]
    chain = [table(child, parent) for child, parent in pairwise(names)] + [table(names[-1])]
    assert order(*chain) == [[name] for name in reversed(names)]


def test_circles_are_groups_and_come_behind_their_parents() -> None:
    circle = [table("a", "b"), table("b", "c"), table("c", "a", "root")]
    found = order(*circle, table("root"), table("leaf", "a"), table("self", "self"))
    assert ["a", "b", "c"] in found
    assert found.index(["root"]) < found.index(["a", "b", "c"]) < found.index(["leaf"])
    assert ["self"] in found
