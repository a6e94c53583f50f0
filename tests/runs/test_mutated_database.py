"""Damaged files: the load refuses them, or loads what SQLite reads of them; it never crashes, hangs, or loses count."""

import contextlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import command_worker
from support.both_sides import Sides, is_sound, matched, source_tables, target_tables
from support.database import Database, Server, fresh_database
from support.loads import books
from support.mutated_database import PAGE_BYTES, TABLES, TARGET, Seed, make_seeds, write_mutation
from support.profiles import NIGHTLY
from support.targets import connected, execute, query

import etl
from etl.schema.unified import create_missing

HANG_SECONDS = 120
FILES = 2_000 if NIGHTLY else 100
BATCHES = 20  # tests, so that a failure names few files
# Pages swapped, repeated and zeroed: rows that one reading of the file finds and another does not.
# The last: a column whose name is not UTF-8.
FOUND = [24, 33, 51, 101, 139, 178, 190, 1840]
# Why a sound file may be refused: what it holds, or is called, is not what the target expects.
# SQLite itself would take a file without a beginning, if its write-ahead log holds one.
DECISIONS = ["the target lacks", "the source lacks", "is it the right", "no SQLite database", "not a SQLite database"]
OTHER_FILES = 60 if NIGHTLY else 2


class Worker:
    """A process that runs commands for us; made anew where it died."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        script = Path(command_worker.__file__)
        self._process = subprocess.Popen(
            [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, module: str, *arguments: str) -> dict[str, Any]:
        """The answer to a command; AssertionError where the process crashed or does not answer."""
        process = self._process
        assert process.stdin
        assert process.stdout
        guard = threading.Timer(HANG_SECONDS, process.kill)
        guard.start()
        try:
            process.stdin.write(json.dumps([module, arguments]) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        finally:
            guard.cancel()
        if answer:
            found: dict[str, Any] = json.loads(answer)
            return found
        _, error = process.communicate()
        self._start()
        raise AssertionError(f"{module} ended the process ({process.returncode}; -9: it hung): {error[-3000:]}")

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with contextlib.closing(Worker()) as found:
        yield found


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[Seed]:
    return make_seeds(tmp_path_factory.mktemp("seeds"))


@pytest.fixture(scope="module")
def target(server: Server) -> Iterator[Database]:
    """The tables of the seed; each file finds them empty."""
    with fresh_database(server) as found:
        with found.engine().begin() as connection:
            create_missing(connection)
        with connected(found) as connection:
            others = [name for name in target_tables(connection) if name not in TABLES]
        execute(found, f"DROP TABLE {', '.join(others)} CASCADE", *TARGET)
        yield found


def empty(database: Database) -> None:
    execute(database, f"TRUNCATE {', '.join((*TABLES, 'readings', 'norowid'))} RESTART IDENTITY CASCADE")


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_damaged_file_is_refused_or_loaded_as_sqlite_reads_it(
    worker: Worker, seeds: list[Seed], target: Database, tmp_path: Path, batch: int
) -> None:
    for number in range(batch, FILES, BATCHES):
        folder = tmp_path / str(number)
        folder.mkdir()
        what = write_mutation(seeds, number, folder / "file.db")
        empty(target)
        try:
            check_load(worker, target, folder)
        except Exception as error:
            error.add_note(what)
            raise
        shutil.rmtree(folder)


@pytest.mark.parametrize("number", FOUND)
def test_files_that_were_once_loaded_wrongly(
    worker: Worker, seeds: list[Seed], target: Database, tmp_path: Path, number: int
) -> None:
    write_mutation(seeds, number, tmp_path / "file.db")
    empty(target)
    check_load(worker, target, tmp_path)


def test_a_page_in_two_places_is_damage(worker: Worker, seeds: list[Seed], target: Database, tmp_path: Path) -> None:
    data = bytearray(seeds[0].database)
    pages = [data[start : start + PAGE_BYTES] for start in range(0, len(data), PAGE_BYTES)]
    leaf = 13  # the first byte of a page with a table's rows
    one, other, *_ = (place for place, page in enumerate(pages) if page[0] == leaf and b"0" * 50 in page)
    data[other * PAGE_BYTES : (other + 1) * PAGE_BYTES] = pages[one]
    (tmp_path / "file.db").write_bytes(data)
    empty(target)
    answer = check_load(worker, target, tmp_path)
    assert answer["code"] == 1
    assert "is damaged" in answer["said"]
    assert "Nothing was committed" in answer["said"]


@pytest.mark.parametrize("batch", range(min(BATCHES, OTHER_FILES)))
def test_the_other_commands_take_damaged_files(
    worker: Worker, seeds: list[Seed], target: Database, tmp_path: Path, batch: int
) -> None:
    """Great Expectations takes seconds for each validation."""
    for number in range(batch, OTHER_FILES, BATCHES):
        path = tmp_path / f"{number}.db"
        what = write_mutation(seeds, number, path)
        report = str(tmp_path / str(number))
        compared = worker.run("etl.reconcile", "--sqlite", str(path), "--pg", target.url, "--report", report)
        validated = worker.run("etl.validate", "--sqlite", str(path))
        for answer in (compared, validated):
            assert answer["failure"] is None, (what, answer["failure"])
            assert answer["code"] in (0, 1, 3), (what, answer)


def check_load(worker: Worker, database: Database, folder: Path) -> dict[str, Any]:
    """One file, loaded by the command; looked at from both sides. Returns what the command said."""
    path, copy = folder / "file.db", folder / "copy" / "file.db"
    copy.parent.mkdir()
    for part in folder.glob("file.db*"):
        shutil.copyfile(part, copy.parent / part.name)
    url = ["--pg", database.url, "--report", str(folder / "report"), "--quiet"]
    answer = worker.run("etl.run", "--sqlite", str(path), *url, "--skip-validation", "--extra-columns", "drop")
    assert answer["failure"] is None, answer["failure"]
    assert answer["code"] in (0, 1, 3), answer
    if answer["code"] == 1:
        assert answer["said"].startswith("✗ "), answer
        assert not is_sound(copy) or any(words in answer["said"] for words in DECISIONS), answer
        assert all(not query(database, f"SELECT FROM {table} LIMIT 1") for table in (*TABLES, "readings", "norowid"))
        return answer
    report = etl.open_report(folder / "report")
    assert report.exit_code == answer["code"]
    books(report)
    with connected(database) as connection:
        connection.cursor().execute("SET TimeZone = 'UTC'")
        names = source_tables(copy)
        pairs, _ = matched(names, target_tables(connection))
        assert {table.name for table in report.tables if table.source_rows is not None} == {
            pairs.get(name, name) for name in names
        }
        sides = [Sides(connection, copy, name, pairs.get(name), empty_before=True) for name in names]
        arrived = [side.check(report) for side in sides]
        assert answer["code"] == (0 if all(arrived) else 3)
        connection.rollback()
    return answer
