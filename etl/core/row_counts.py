"""What became of the rows of a table, or of a part of it; counts of parts add up to those of the table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RowCounts:
    """Every row that was read is loaded, present or rejected. `present_different` of the present rows differ."""

    loaded: int = 0
    present: int = 0
    present_different: int = 0
    rejected: int = 0

    @property
    def accounted(self) -> int:
        """Rows whose outcome is known."""
        return self.loaded + self.present + self.rejected

    def __add__(self, other: "RowCounts") -> "RowCounts":
        return RowCounts(
            self.loaded + other.loaded,
            self.present + other.present,
            self.present_different + other.present_different,
            self.rejected + other.rejected,
        )
