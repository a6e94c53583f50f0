"""What a table's values are like, counted over all of them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ColumnEvidence:
    """A column's values by storage class ("integer", "real", "text", "blob"; classes without values are left out)."""

    storage: Mapping[str, int]
    nulls: int

    @property
    def values(self) -> int:
        """How many values there are."""
        return sum(self.storage.values())

    def holds_only(self, *classes: str) -> bool:
        """Whether no value is of another class; so for a column without values."""
        return self.storage.keys() <= set(classes)
