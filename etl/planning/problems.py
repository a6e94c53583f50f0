"""What keeps two schemas apart until somebody decides: found table by table, told all at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from etl.core.text import counted


class ProblemKind(StrEnum):
    """Which side lacks the column. The order is that of the message."""

    EXTRA_COLUMN = "extra_column"
    REQUIRED_COLUMN = "required_column"


@dataclass(frozen=True)
class PlanProblem:
    """A column that stops the plan; `values` of `rows` are concerned where the target lacks it.

    `table` is the source's name, `target` the target's; `column` is of the side that has it.
    """

    kind: ProblemKind
    table: str
    target: str
    column: str
    values: int = 0
    rows: int = 0

    def __str__(self) -> str:
        if self.kind is ProblemKind.EXTRA_COLUMN:
            paired = f"; its table is {self.target} in the target" if self.table != self.target else ""
            return (
                f"{self.table}.{self.column} ({counted(self.values, 'value')} in {counted(self.rows, 'row')}{paired})"
            )
        paired = f"'s {self.table}" if self.table != self.target else ""
        return f"{self.target}.{self.column}: required by the target without a default, absent in the source{paired}"


_HEADINGS = {
    ProblemKind.EXTRA_COLUMN: "The source has columns with values that the target lacks:",
    ProblemKind.REQUIRED_COLUMN: "The target requires columns that the source lacks:",
}
_REMEDIES = {
    ProblemKind.EXTRA_COLUMN: (
        "Decide with --extra-columns add (adds them to the target) or --extra-columns drop "
        "(their values are kept in the report folder). Nothing was written."
    ),
    ProblemKind.REQUIRED_COLUMN: (
        "Give these columns a default in the target, or drop their NOT NULL. Nothing was written."
    ),
}


def explain(problems: Sequence[PlanProblem]) -> str:
    """All problems in one message, by kind, each kind with its remedy."""
    lines: list[str] = []
    for kind in ProblemKind:
        found = [f"  {problem}" for problem in problems if problem.kind is kind]
        if found:
            lines += [_HEADINGS[kind], *found, _REMEDIES[kind]]
    return "\n".join(lines)
