"""What the comparison of all tables has found, collected for the report."""

from dataclasses import dataclass, field

from etl.comparison.compare import TableComparison
from etl.core.report import DifferenceTotal

SAMPLE_ROWS = 1_000  # differences in the report, of all tables together


@dataclass
class Findings:
    """What the comparison of all tables found; it becomes part of the report."""

    differences: list[dict[str, object]] = field(default_factory=list)
    kinds: list[DifferenceTotal] = field(default_factory=list)

    def note(self, comparison: TableComparison) -> None:
        """Takes over a table's sample, as far as there is room, and its totals."""
        room = SAMPLE_ROWS - len(self.differences)
        self.differences += [difference.to_dict() for difference in comparison.sample[:room]]
        self.kinds += comparison.totals
