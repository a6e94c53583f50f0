"""What keeps two schemas apart until somebody decides: found table by table, told all at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class ProblemKind(StrEnum):
    """Which side lacks the column. The order is that of the message."""

    EXTRA_COLUMN = "extra_column"
    REQUIRED_COLUMN = "required_column"


@dataclass(frozen=True)
class PlanProblem:
    """A column that stops the plan; `values` of `rows` are concerned where the target lacks it."""

    kind: ProblemKind
    table: str
    column: str
    values: int = 0
    rows: int = 0

    def __str__(self) -> str:
        place = f"{self.table}.{self.column}"
        if self.kind is ProblemKind.EXTRA_COLUMN:
            return f"{place} ({self.values:,} values in {self.rows:,} rows)"
        return f"{place}: required by the target without a default, absent in the source"


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
