"""What begins before pandas is imported ends with whoever began it, and finds what would be found later."""

import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from faults.faulted import wait_until
from support.sources import make_sqlite, series

from etl.core.errors import SourceError
from etl.runs.startup import Startup
from etl.source.database import Source


@pytest.fixture
def many_tables(tmp_path: Path) -> Path:
    statements = []
    for number in range(200):
        statements += [f"CREATE TABLE t{number} (a, b text)", f"INSERT INTO t{number} {series(number, 'n, n')}"]
    return make_sqlite(tmp_path / "many.db", *statements)


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def test_what_is_measured_ahead_is_what_is_measured_when_it_is_asked_for(many_tables: Path) -> None:
    with Source(many_tables) as source, Startup(many_tables, validate=False) as ahead:
        assert ahead.source.tables == source.tables
        assert ahead.source.tables["t199"].row_count == 199
        assert ahead.validation is None


@pytest.mark.parametrize("content", [None, b"", b"no database"], ids=["missing", "empty", "other"])
def test_without_a_source_there_is_no_validation_either(tmp_path: Path, content: bytes | None) -> None:
    before = children()
    path = tmp_path / "a.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.db"), Startup(path, validate=True):
        pass
    assert children() == before


def test_who_leaves_at_once_waits_for_nothing_and_leaves_nothing(many_tables: Path) -> None:
    before = children()
    with Startup(many_tables, validate=True):
        assert children() > before
    assert children() == before
    wait_until(lambda: "etl-measure" not in {thread.name for thread in threading.enumerate()}, "it measures on")
    assert str(many_tables) not in {file.path for file in psutil.Process().open_files()}


def test_damage_that_is_met_ahead_is_named_when_it_is_asked_for(many_tables: Path) -> None:
    page = 4096
    content = bytearray(many_tables.read_bytes())
    content[page:] = b"\xff" * (len(content) - page)
    many_tables.write_bytes(content)
    with (
        pytest.raises(SourceError, match=r"many\.db.*(cannot be read|damaged|malformed)"),
        Startup(many_tables, validate=False) as ahead,
    ):
        assert ahead.source.tables


def test_measuring_begins_before_pandas_is_imported(many_tables: Path) -> None:
    """In a process of its own, as a command is one: here pandas is there already."""
    code = f"""
import sys
from pathlib import Path
from etl.runs.startup import Startup
with Startup(Path({str(many_tables)!r}), validate=False) as ahead:
    assert len(ahead.source.tables) == 200
    assert "pandas" not in sys.modules
    import pyarrow.dataset  # as anybody else may
    assert pyarrow.dataset.dataset and "pandas" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
