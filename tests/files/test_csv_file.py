"""Rejects as CSV: what a spreadsheet reads of them."""

import csv
from pathlib import Path

import pandas as pd
import pytest

from etl.core.values import LargeText, StorageValue, UndecodableText
from etl.files.csv_file import LONGEST_CELL, CsvFile
from etl.files.private_files import PrivateFolder

CELLS: list[tuple[StorageValue, str]] = [
    (None, ""),
    ("", ""),
    (7, "7"),
    (-1.5, "-1.5"),
    (float("inf"), "inf"),
    ('say "hi", ä\n2nd line', 'say "hi", ä\n2nd line'),
    (b"\x00\xff", "\\x00ff"),
    (UndecodableText(b"a\xff"), "\\x61ff"),
    ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
    ("+49 30", "'+49 30"),
    ("@sum", "'@sum"),
]


def written(folder: Path, rows: list[list[StorageValue]], headings: list[str]) -> Path:
    file = CsvFile(PrivateFolder(folder), "t")
    for row in rows:
        file.write(headings, row)
    file.close()
    return folder / "t.csv"


def test_every_kind_of_value_is_read_again(tmp_path: Path) -> None:
    headings = [f"c{place}" for place in range(len(CELLS))]
    path = written(tmp_path, [[value for value, _ in CELLS]] * 2, headings)
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [headings, *[[shown for _, shown in CELLS]] * 2]
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert b'\r\n,"",7,' in path.read_bytes()  # NULL and the empty text are two things
    assert len(pd.read_csv(path)) == 2
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "value", ["x" * 50_000, b"\xaa" * 50_000, LargeText(b"x" * 50_000)], ids=["text", "blob", "large"]
)
def test_a_long_value_is_cut_and_says_where_the_rest_is(tmp_path: Path, value: StorageValue) -> None:
    path = written(tmp_path, [[value]], ["c"])
    (cell,) = pd.read_csv(path)["c"]
    assert len(cell) < 32_767
    assert "in the .ndjson file" in cell
    assert len(cell) >= LONGEST_CELL


def test_it_starts_anew_and_an_empty_one_is_removed(tmp_path: Path) -> None:
    file = CsvFile(PrivateFolder(tmp_path), "t")
    file.write(["a"], [1])
    file.restart()
    file.write(["b"], [2])
    file.restart()
    file.close()
    assert list(tmp_path.iterdir()) == []
