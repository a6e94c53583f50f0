"""Rows as CSV, for those who open them in a spreadsheet; the NDJSON beside it is what holds every value whole."""

from collections.abc import Sequence

from etl.core.text import counted
from etl.core.values import LargeText, StorageValue
from etl.files.private_files import PrivateFolder, TableFile

LONGEST_CELL = 32_000  # characters; spreadsheets cut longer ones at 32,767 and say nothing
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # else Excel takes UTF-8 for the encoding of the machine
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class CsvFile(TableFile):
    """One CSV file, in UTF-8.

    Texts stand in quotes, NULL is an empty cell without them. A text that a spreadsheet would run as a formula has an
    apostrophe in front, BLOBs are hexadecimal as PostgreSQL writes them, and a long value is cut and says so.
    """

    def __init__(self, folder: PrivateFolder, table: str) -> None:
        super().__init__(folder, f"{table}.csv")

    def write(self, headings: Sequence[str], cells: Sequence[StorageValue]) -> None:
        """Appends a row; the headings of the first one become those of the file."""
        first = [] if self.rows else [_BYTE_ORDER_MARK, _line(headings)]
        self._append([*first, _line(cells)])


def _line(cells: Sequence[StorageValue]) -> bytes:
    return (",".join(map(_cell, cells)) + "\r\n").encode()


def _cell(value: StorageValue) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, bytes):
        return f'"{_cut(chr(92) + "x" + value[:LONGEST_CELL].hex(), 2 + 2 * len(value))}"'
    text = next(value.parts()) if isinstance(value, LargeText) else value[: LONGEST_CELL + 1]
    length = len(value)
    shown = _cut("'" + text if text.startswith(_FORMULA) else text, length)
    return '"' + shown.replace('"', '""') + '"'


def _cut(text: str, length: int) -> str:
    """`length`: of the whole value, in characters (of a large text in bytes)."""
    if length <= LONGEST_CELL:
        return text
    return f"{text[:LONGEST_CELL]}… (cut; all {counted(length, 'character')} are in the .ndjson file)"
