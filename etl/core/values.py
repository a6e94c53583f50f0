"""Values as SQLite stores them, and the two that Python has no type for."""

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


class UndecodableText(bytes):
    """The bytes of a SQLite TEXT value that is not valid UTF-8, told apart from a BLOB."""


LARGE_BYTES = 16 * 2**20
"""Values that are larger go singly: no more of them are in memory than need be, and none is looked at as a whole."""


_PART_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class LargeText:
    """A large SQLite TEXT value as UTF-8: one sign beyond Latin-1 would make a Python text of up to four times that."""

    utf8: bytes

    def __len__(self) -> int:
        return len(self.utf8)

    def __str__(self) -> str:
        return self.utf8.decode()

    def __repr__(self) -> str:
        return f"<text of {len(self.utf8):,} bytes>"

    def parts(self) -> Iterator[str]:
        """The text piece by piece, at least one."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        for start in range(0, max(1, len(self.utf8)), _PART_BYTES):
            yield decoder.decode(self.utf8[start : start + _PART_BYTES], final=start + _PART_BYTES >= len(self.utf8))


StorageValue = int | float | str | bytes | LargeText | None
_SIZED = (str, bytes, LargeText)  # as a tuple, which `isinstance` goes through twice as fast as through a union


def size_of(values: Iterable[StorageValue]) -> int:
    """The length of all texts and BLOBs together, which is about what they take."""
    return sum(len(value) for value in values if isinstance(value, _SIZED))
