"""Any state of the target becomes any state of the source: both are made up at random, and a sync makes them equal."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.database import Database, Server, fresh_database
from support.profiles import NIGHTLY
from support.sources import make_sqlite
from support.targets import connected, execute, query, url_as

import etl

SEEDS = range(400 if NIGHTLY else 12)
TABLES = ("person", "seat", "note")
_SEAT = "id int PRIMARY KEY, person int NOT NULL {}, place int, code text, UNIQUE (person, place), UNIQUE (code)"
_SOURCE = (
    "CREATE TABLE person (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, boss INTEGER REFERENCES person)",
    f"CREATE TABLE seat ({_SEAT.format('REFERENCES person')})",
    "CREATE TABLE note (person INTEGER REFERENCES person, text TEXT)",
)
_PARENT = "REFERENCES person ON DELETE {0}"
_TARGET = (
    f"CREATE TABLE person (id int PRIMARY KEY, email varchar(12) NOT NULL UNIQUE, boss int {_PARENT})",
    f"CREATE TABLE seat ({_SEAT.format(_PARENT)})",
    "ALTER TABLE seat ADD own text DEFAULT 'own'",
    f"CREATE TABLE note (person int {_PARENT}, text text)",
)
ACTIONS = ("CASCADE", "RESTRICT", "NO ACTION", "NO ACTION DEFERRABLE INITIALLY DEFERRED")


@dataclass(frozen=True)
class World:
    """The rows of the tables, which keep to every rule."""

    rows: dict[str, list[tuple[object, ...]]]

    @classmethod
    def made_up(cls, dice: random.Random) -> "World":
        """Few ids and few values, so that two worlds have many of both in common, and in other places."""
        people = dice.sample(range(1, 9), dice.randint(0, 6))
        emails = dice.sample("abcdefgh", len(people))
        person = [(id_, email, dice.choice([None, *people])) for id_, email in zip(people, emails, strict=True)]
        seats = dice.sample(range(1, 9), dice.randint(0, 7) if people else 0)
        places = dice.sample([(who, place) for who in people for place in range(3)], min(len(seats), 3 * len(people)))
        codes = dice.sample([None, None, None, *"uvwxyz"], len(places))
        seat = [
            (id_, who, place, code) for id_, (who, place), code in zip(seats[: len(places)], places, codes, strict=True)
        ]
        note = [(dice.choice([None, *people]), dice.choice("xy")) for _ in range(dice.randint(0, 6))]
        return cls({"person": person, "seat": seat, "note": note})


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[Database]:
    with fresh_database(server) as found:
        yield found


def fill_source(path: Path, world: World) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, rows in world.rows.items():
            connection.execute(f"DELETE FROM {table}")
            for row in rows:
                connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def fill_target(database: Database, world: World, action: str) -> None:
    execute(database, "DROP TABLE IF EXISTS note, seat, person", *(made.format(action) for made in _TARGET))
    with connected(database) as connection, connection.cursor() as cursor:
        for table, rows in world.rows.items():
            columns = {"person": "(id, email, boss)", "seat": "(id, person, place, code)", "note": "(person, text)"}
            values = ", ".join(cursor.mogrify("%s", [row]).decode() for row in rows)
            if rows:
                cursor.execute(f"INSERT INTO {table} {columns[table]} VALUES {values}")


@pytest.mark.parametrize("seed", SEEDS)
def test_any_state_becomes_any_other(shared: Database, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    before, after = World.made_up(dice), World.made_up(dice)
    source = make_sqlite(tmp_path / "a.db", *_SOURCE)
    fill_source(source, after)
    fill_target(shared, before, ACTIONS[seed % len(ACTIONS)])
    forecast = etl.sync(
        source, url_as(shared), delete=True, dry_run=True, validate=False, report_folder=tmp_path / "dry"
    )
    report = etl.sync(
        source, url_as(shared), delete=True, verify="all", validate=False, report_folder=tmp_path / "sync"
    )
    assert report.exit_code == 0, (before, after, report.rejects)
    for table in TABLES:
        rows = [row[:4] for row in query(shared, f"SELECT * FROM {table}")]
        assert sorted(map(str, rows)) == sorted(map(str, after.rows[table]))
    changes = ["inserted_rows", "updated_rows", "deleted_rows", "matched_rows"]
    assert [forecast.total(count) for count in changes] == [report.total(count) for count in changes]
    again = etl.sync(source, url_as(shared), delete=True, validate=False, report_folder=tmp_path / "again")
    assert again.total("matched_rows") == again.total("source_rows")
