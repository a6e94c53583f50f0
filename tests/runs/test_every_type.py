"""Every type that this PostgreSQL has: whatever is loaded means what the source says, or the report names it.

The types are those of pg_type, alone, as elements of arrays and as bounds of ranges. The texts are those that some type
takes, and others made from them by small damages. What they mean is read by `support.independent_reading`.
"""

import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
from support.database import Database
from support.independent_reading import IN_OTHERS, SOURCE, STORED
from support.loads import books
from support.sources import sqlite
from support.targets import connected, execute, query

import etl

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
DAMAGED = 1_500 if NIGHTLY else 60
TEXTS = [
    *r"""
¦ ¦0¦1¦-1¦007¦1.0¦1.5¦1.005¦1e3¦2e-3¦32768¦-5¦4294967295¦9007199254740993¦9223372036854775808¦
0.30000000000000004¦123456.789¦0.123456789¦NaN¦Infinity¦-0¦1_000¦0x1F¦true¦F¦yes¦on¦$1,234.50¦-$3¦12.34¦12.345¦a¦
ab¦é¦'¦a b¦ a¦a ¦NULL¦null¦2024-01-31¦2024-1-5¦2024-02-30¦03/04/2024¦20240131¦0099-12-31¦10000-01-01¦epoch¦today¦
2024-01-31 10:00¦2024-01-31T10:00:00.5Z¦2024-01-31 10:00:00.1234567¦2024-01-31 10:00 +0530¦4713-01-01 BC¦10:00¦
7:05¦23:59:59.9999999¦24:00¦10:00:00+02¦10:00 PM¦1 day 2 hours¦P1DT2H¦1.12:30:00¦90¦{"a": 1}¦{"a":1,"a":2}¦
[1, 2]¦"x"¦{¦{"b": [1.0, true]}¦[1,2,3]¦1 2 3¦a & b¦b a¦'a' 'b'¦101¦1¦2¦x1F¦\x41¦(1,2)¦1,2¦(1,2),(3,4)¦{1,2,3}¦
<(1,2),3>¦[(1,2),(3,4)]¦((1,2))¦10.0.0.1¦10.0.0.0/8¦10.0.0.1/24¦10.1¦::1¦::FFFF/64¦08:00:2b:01:02:03¦
08002b:010203¦08:00:2b:01:02:03:04:05¦a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11¦{A0EEBC999C0B4EF8BB6D6BB9BD380A11}¦
16/B374D848¦<a>1</a>¦<a/>¦$.a[*]¦pg_class¦1259¦public¦int4¦=r/postgres¦10:20:10,14
""".replace("\n", "").split("¦"),
    "x" * 70,
    "é" * 40,
]
_SCALARS = """
    SELECT format_type(oid, NULL) FROM pg_type
    WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typcategory <> 'A' AND typisdefined
    ORDER BY 1
"""
_RANGES = "SELECT format_type(rngtypid, NULL), format_type(rngsubtype, NULL) FROM pg_range ORDER BY 1"


@dataclass(frozen=True)
class Column:
    """A table of one column `v`: its type, the scalar type inside, the stored texts, and what each is made of."""

    type: str
    scalar: str
    parts: Sequence[tuple[str, ...]]

    @property
    def texts(self) -> list[str]:
        """What SQLite holds, by row."""
        if self.type == self.scalar:
            return [part for (part,) in self.parts]
        quoted = [[_quoted(part) for part in parts] for parts in self.parts]
        if self.type.endswith("[]"):
            return ["{" + ",".join(parts) + "}" for parts in quoted]
        return [f"[{low},{high})" for low, high in quoted]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def damaged(texts: Sequence[str], count: int, chance: random.Random) -> list[str]:
    """Texts with a character more, less or other."""
    alphabet = "0123456789.,:;+-eET/ ()[]{}<>\"'\\aZµ\u00a0\u0661\t\n"
    found = []
    for _ in range(count):
        text = chance.choice(texts)
        place = chance.randrange(len(text) + 1)
        cut = place + chance.choice((0, 1))
        found.append(text[:place] + chance.choice((*alphabet, "")) + text[cut:])
    return found


def columns_of(database: Database) -> list[Column]:
    """A column of every type that a table can have."""
    chance = random.Random(None if NIGHTLY else 14)
    texts = [*TEXTS, *damaged(TEXTS, DAMAGED, chance)]
    pairs = [(chance.choice(texts), chance.choice(texts)) for _ in texts]
    alone = [(text,) for text in texts]
    found = []
    for (scalar,) in query(database, _SCALARS):
        found += [Column(scalar, scalar, alone), Column(f"{scalar}[]", scalar, [*alone[::2], *pairs[::4]])]
    for name, scalar in query(database, _RANGES):
        found.append(Column(name, scalar, [*((text, text) for text in texts[::3]), *pairs]))
    return [column for column in found if _takes_text(database, column.scalar)]


def _takes_text(database: Database, name: str) -> bool:
    """Whether the type reads any text: some are written by the server alone, some it was built without."""
    try:
        execute(database, f"CREATE TEMPORARY TABLE tried (v {name})", "INSERT INTO tried VALUES ('1')")
    except psycopg2.errors.FeatureNotSupported:
        return False
    except psycopg2.DataError:
        return True
    return True


def fill(path: Path, columns: Sequence[Column]) -> None:
    with sqlite(path) as connection:
        for place, column in enumerate(columns):
            connection.execute(f"CREATE TABLE t{place} (id INTEGER PRIMARY KEY, v)")
            connection.executemany(f"INSERT INTO t{place} VALUES (?, ?)", list(enumerate(column.texts)))


def stored(database: Database, place: int, column: Column) -> dict[int, tuple[str | None, tuple[str | None, ...]]]:
    """By row: PostgreSQL's own text, and that of each part."""
    if column.type == column.scalar:
        parts = "ARRAY[v::text]"
    elif column.type.endswith("[]"):
        parts = "ARRAY(SELECT one::text FROM unnest(v) WITH ORDINALITY AS a (one, n) ORDER BY n)"
    else:
        parts = "CASE WHEN isempty(v) THEN NULL ELSE ARRAY[lower(v)::text, upper(v)::text] END"
    with connected(database) as connection, connection.cursor() as cursor:
        cursor.execute("SET TimeZone = 'UTC'; SET extra_float_digits = 1; SET lc_monetary = 'C'")
        cursor.execute(f"SELECT id, v::text, {parts} FROM t{place}")
        return {row: (whole, tuple(found or ())) for row, whole, found in cursor.fetchall()}


def means_same(column: Column, said: Sequence[str], kept: Sequence[str | None]) -> bool:
    """Whether what is kept of a value means what was said; nothing is kept of an empty range."""
    reading = (SOURCE if column.type == column.scalar else IN_OTHERS)[column.scalar]
    meant = [reading(one) for one in said]
    if not kept and column.type not in (column.scalar, f"{column.scalar}[]"):
        return meant[0] is not None and meant[0] == meant[1]
    return None not in meant and meant == [None if one is None else STORED[column.scalar](one) for one in kept]


@pytest.mark.parametrize("keep_constraints", [False, True], ids=["fast", "staged"])
def test_what_is_loaded_means_what_was_stored(database: Database, tmp_path: Path, keep_constraints: bool) -> None:
    columns = columns_of(database)
    fill(tmp_path / "source.db", columns)
    execute(database, *(f"CREATE TABLE t{n} (id int PRIMARY KEY, v {one.type})" for n, one in enumerate(columns)))

    report = etl.migrate(
        tmp_path / "source.db",
        database.url,
        validate=False,
        keep_constraints=keep_constraints,
        report_folder=tmp_path / "report",
    )

    counts = books(report)
    rewritten = {item.table for item in report.rewritten}
    bent: list[tuple[str, str, str | None]] = []
    untold: dict[str, list[tuple[str, str | None]]] = {}
    loaded: Counter[str] = Counter()
    for place, column in enumerate(columns):
        kept = stored(database, place, column)
        assert counts[f"t{place}"] == (len(column.texts), len(kept), 0, len(column.texts) - len(kept))
        loaded[column.scalar] += len(kept)
        otherwise = []
        for row, (whole, parts) in kept.items():
            said = column.parts[row]
            otherwise += [(column.texts[row], whole)] if parts != said else []
            if column.scalar in SOURCE and not means_same(column, said, parts):
                bent.append((column.type, column.texts[row], whole))
        if column.scalar not in SOURCE and otherwise and f"t{place}" not in rewritten:
            untold[column.type] = otherwise[:5]

    assert bent == []
    assert untold == {}
    assert all(loaded[scalar] for scalar in loaded if scalar in SOURCE), (
        "a type that takes none of these texts proves nothing"
    )
    assert all(table.different_rows == table.missing_rows == 0 for table in report.tables)
