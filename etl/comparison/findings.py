"""What comparisons have found, for the report; the findings of several tables add up to those of a run."""

from dataclasses import dataclass

from etl.comparison.compare import TableComparison
from etl.core.report import DifferenceTotal

SAMPLE_ROWS = 1_000  # differences in the report, of all tables together


@dataclass(frozen=True)
class Findings:
    """A bounded sample of the differences, and their totals by kind."""

    differences: tuple[dict[str, object], ...] = ()
    kinds: tuple[DifferenceTotal, ...] = ()

    @classmethod
    def of(cls, comparison: TableComparison) -> "Findings":
        """Those of one table."""
        return cls(
            tuple(difference.to_dict() for difference in comparison.sample[:SAMPLE_ROWS]), tuple(comparison.totals)
        )

    def __add__(self, other: "Findings") -> "Findings":
        """The sample keeps the first of both."""
        return Findings((self.differences + other.differences)[:SAMPLE_ROWS], self.kinds + other.kinds)
