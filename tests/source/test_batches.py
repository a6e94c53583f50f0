"""Batches: whatever lies in a table comes out of it, value by value and in order, by whichever lane."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.sources import make_sqlite, series, sqlite

from etl.core.source_tables import WHOLE_TABLE, RowidRange, quoted
from etl.core.values import UndecodableText
from etl.source.batches import read_batches
from etl.source.database import Source

LATE = 100_000
Value = int | float | str | bytes | None
Typed = tuple[type, Value]
Row = tuple[int, int | None, tuple[Typed, ...]]


def typed(value: object) -> Typed:
    """A cell with its exact type, so that 1, 1.0 and True, or text and BLOB, do not pass for each other."""
    if value is pd.NA or value is None:
        return type(None), None
    assert isinstance(value, int | float | str | bytes)
    return type(value), value


def read(
    path: Path, table: str = "t", *, part: RowidRange = WHOLE_TABLE, **limits: int
) -> list[tuple[int, int | None, tuple[Typed, ...]]]:
    """(row number, rowid, cells) of every row as `read_batches` gives them."""
    found = []
    with Source(path) as source:
        described = source.tables[table]
        for batch in read_batches(source, described, described.column_names, part=part, **limits):
            assert list(batch.frame.columns) == list(described.column_names)
            assert batch.frame.index.name == "row_number"
            rowids = [None] * len(batch.frame) if batch.rowids is None else batch.rowids.tolist()
            cells = [
                [typed(cell) for cell in batch.frame.iloc[:, place].tolist()] for place in range(batch.frame.shape[1])
            ]
            found += list(zip(batch.frame.index.tolist(), rowids, zip(*cells, strict=True), strict=True))
    return found


def stored(path: Path, columns: Sequence[str], table: str = "t", order: str = "rowid") -> list[tuple[Typed, ...]]:
    """The same by sqlite3 alone, asked for bytes and for the storage class."""
    cells = ", ".join(f"typeof({quoted(name)}), {quoted(name)}" for name in columns)
    with sqlite(path) as connection:
        connection.text_factory = bytes
        rows = connection.execute(f"SELECT {cells} FROM {quoted(table)} NOT INDEXED ORDER BY {order}").fetchall()
    return [tuple(_typed_by_class(row[i], row[i + 1]) for i in range(0, len(row), 2)) for row in rows]


def _typed_by_class(storage: bytes, cell: Value) -> Typed:
    if storage != b"text":
        return typed(cell)
    assert isinstance(cell, bytes)
    try:
        return str, cell.decode()
    except UnicodeDecodeError:
        return UndecodableText, cell


# -- any value ----------------------------------------------------------------------------------------------------

integers = st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 2**53 + 1, 2**63 - 1, -(2**63)]))
reals = st.floats(allow_nan=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
blobs = st.binary(max_size=6)
undecodable = st.binary(min_size=1, max_size=4).map(lambda data: UndecodableText(data + b"\xff"))
any_value = st.one_of(st.none(), integers, reals, texts, blobs, undecodable)
columns_of_values = st.one_of(  # mostly of one class, as in life, so that the fast lane is taken and left
    st.sampled_from([integers, reals, texts]).map(lambda usual: st.one_of(st.none(), usual, usual, usual)),
    st.just(any_value),
)


@st.composite
def table_contents(draw: st.DrawFn) -> tuple[list[str], list[tuple[int, tuple[Value, ...]]]]:
    declared = draw(
        st.lists(st.sampled_from(["", "INTEGER", "TEXT", "REAL", "BLOB", "NUMERIC"]), min_size=1, max_size=3)
    )
    cells = [draw(columns_of_values) for _ in declared]
    rowids = draw(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40, unique=True))
    return declared, [(rowid, tuple(draw(cell) for cell in cells)) for rowid in rowids]


@given(contents=table_contents(), batch_rows=st.sampled_from([1, 3, 17, 50_000]), without_rowid=st.booleans())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_table_comes_out_as_it_is_stored(
    contents: tuple[list[str], list[tuple[int, tuple[Value, ...]]]], batch_rows: int, without_rowid: bool
) -> None:
    declared, rows = contents
    columns = ["k", *(f"c{place}" for place in range(len(declared)))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        with sqlite(path) as connection:
            listed = ", ".join(["k INTEGER PRIMARY KEY", *(f"c{n} {type_}" for n, type_ in enumerate(declared))])
            connection.execute(f"CREATE TABLE t ({listed}) {'WITHOUT ROWID' if without_rowid else ''}")
            for rowid, values in rows:
                marks = ["CAST(? AS TEXT)" if isinstance(value, UndecodableText) else "?" for value in values]
                connection.execute(f"INSERT INTO t VALUES ({', '.join(['?', *marks])})", (rowid, *values))
        found = read(path, batch_rows=batch_rows)
        expected = stored(path, columns, order="k")
    assert [cells for _, _, cells in found] == expected
    assert [number for number, _, _ in found] == list(range(1, len(rows) + 1))
    assert [rowid for _, rowid, _ in found] == [None if without_rowid else cells[0][1] for cells in expected]


# -- a unexpected, late ---------------------------------------------------------------------------------------------

USUAL = {"integer": "n", "real": "n + 0.5", "text": "'text ' || n", "blob": "CAST(n AS BLOB)", "null": "NULL"}
STRANGERS = {
    "integer": "9223372036854775807",
    "real": "2.0",
    "text": "'12'",
    "blob": "x'3132'",
    "undecodable": "CAST(x'61FF' AS TEXT)",
    "nul": "'a' || char(0) || 'b'",
}
LATE_CHANGES = [
    *(
        (usual, unexpected)
        for usual in ("integer", "real", "text", "null")
        for unexpected in STRANGERS
        if usual != unexpected
    ),
    ("blob", "integer"),
    ("blob", "text"),
]


@pytest.mark.parametrize(("usual", "unexpected"), LATE_CHANGES)
def test_a_late_stranger_is_noticed_and_nothing_before_or_behind_it_changes(
    tmp_path: Path, usual: str, unexpected: str
) -> None:
    path = make_sqlite(
        tmp_path / "a.db",
        "PRAGMA journal_mode = OFF",
        "CREATE TABLE t (v, w)",
        f"INSERT INTO t {series(LATE, f'{USUAL[usual]}, n')}",
        f"INSERT INTO t VALUES ({STRANGERS[unexpected]}, 1)",
        f"INSERT INTO t {series(10, f'{USUAL[usual]}, n')}",
        "INSERT INTO t VALUES (NULL, NULL)",
    )
    found = read(path)
    assert [number for number, _, _ in found] == list(range(1, LATE + 13))
    expected = stored(path, ["v", "w"])
    assert found[LATE][2] == expected[LATE]
    assert [cells for _, _, cells in found] == expected


def test_the_largest_integer_beside_null_stays_an_integer(tmp_path: Path) -> None:
    path = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE t (v INTEGER)",
        f"INSERT INTO t VALUES (NULL), ({2**63 - 1}), (NULL), ({-(2**63)})",
    )
    assert [cells for _, _, cells in read(path)] == [
        ((type(None), None),),
        ((int, 2**63 - 1),),
        ((type(None), None),),
        ((int, -(2**63)),),
    ]


def test_the_dtype_says_what_a_batch_holds(tmp_path: Path) -> None:
    path = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE t (whole, fraction, words, bytes, mixed)",
        "INSERT INTO t VALUES (NULL, 0.5, 'a', x'00', 1), (7, NULL, NULL, NULL, 'x'), (8, 1e999, '', x'', NULL)",
    )
    with Source(path) as source:
        (batch,) = read_batches(source, source.tables["t"], ["whole", "fraction", "words", "bytes", "mixed"])
    kinds = dict(batch.frame.dtypes)
    assert kinds.pop("mixed") == np.dtype(object)
    assert batch.frame["mixed"].tolist() == [1, "x", None]
    assert [dtype.pyarrow_dtype for dtype in kinds.values()] == [pa.int64(), pa.float64(), pa.string(), pa.binary()]
    assert batch.frame["fraction"].tolist() == [0.5, pd.NA, float("inf")]


def test_a_column_of_nulls_has_no_type_but_its_rows(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (v TEXT)", "INSERT INTO t VALUES (NULL), (NULL)")
    assert read(path) == [(1, 1, ((type(None), None),)), (2, 2, ((type(None), None),))]


# -- tables of every shape ----------------------------------------------------------------------------------------

SHAPES = {
    "rowid is a column": ["CREATE TABLE t (rowid TEXT, v)", "INSERT INTO t VALUES ('z', 1), ('a', 2), ('m', 3)"],
    "every name of the rowid is a column": [
        "CREATE TABLE t (rowid TEXT, oid INTEGER, _rowid_ REAL)",
        "INSERT INTO t VALUES ('z', 1, 0.5), ('a', 0, -1.5), (NULL, NULL, NULL)",
    ],
    "generated columns": [
        "CREATE TABLE t (v INTEGER, twice AS (v * 2), thrice INTEGER GENERATED ALWAYS AS (v * 3) STORED)",
        "INSERT INTO t (v) VALUES (1), (2), (NULL)",
    ],
    "quoted names": [
        'CREATE TABLE t ("a ""b""" TEXT, "c%s" INTEGER, "from" REAL, "d\'e" TEXT, "f.g" INTEGER, "{}" TEXT, "🤖" TEXT)',
        "INSERT INTO t VALUES ('x', 1, 2.5, 'y', 3, 'z', '!')",
    ],
    "negative rowids": [
        "CREATE TABLE t (v)",
        "INSERT INTO t (rowid, v) VALUES (-7, 'a'), (-9223372036854775808, 'b'), (0, 'c')",
    ],
    "a primary key backwards": ["CREATE TABLE t (v INTEGER PRIMARY KEY DESC)", "INSERT INTO t VALUES (3), (1), (2)"],
    "an index over everything": [
        "CREATE TABLE t (v TEXT)",
        "CREATE INDEX i ON t (v)",
        "INSERT INTO t VALUES ('c'), ('a'), ('b')",
    ],
    "columns added later": [
        "CREATE TABLE t (v)",
        "INSERT INTO t VALUES (1), (2)",
        "ALTER TABLE t ADD COLUMN later TEXT DEFAULT 'd'",
        "INSERT INTO t VALUES (3, NULL)",
    ],
    "strict": ["CREATE TABLE t (a INT, b ANY) STRICT", "INSERT INTO t VALUES (1, 'x'), (2, x'00')"],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_tables_of_every_shape(tmp_path: Path, shape: str) -> None:
    path = make_sqlite(tmp_path / "a.db", *SHAPES[shape])
    with Source(path) as source:
        table = source.tables["t"]
    found = read(path)
    order = table.rowid_name or "(SELECT NULL)"
    assert [cells for _, _, cells in found] == stored(path, table.column_names, order=order)
    assert [number for number, _, _ in found] == list(range(1, table.row_count + 1))


@pytest.mark.parametrize("rest", ["", "WITHOUT ROWID"])
def test_an_empty_table_has_no_batch(tmp_path: Path, rest: str) -> None:
    path = make_sqlite(tmp_path / "a.db", f"CREATE TABLE t (v INTEGER PRIMARY KEY, w TEXT) {rest}")
    assert read(path) == []


def test_only_the_columns_that_are_asked_for_in_that_order(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (a, b, c)", "INSERT INTO t VALUES (1, 'x', 0.5)")
    with Source(path) as source:
        (batch,) = read_batches(source, source.tables["t"], ["c", "a"])
    assert list(batch.frame.columns) == ["c", "a"]
    assert batch.frame.iloc[0].tolist() == [0.5, 1]


# -- bounded ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unexpected", ["n", "CASE n WHEN 77 THEN 'x' ELSE n END", "x'00'"])
def test_no_batch_has_more_rows_than_asked_for(tmp_path: Path, unexpected: str) -> None:
    path = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (v)", f"INSERT INTO t {series(200, unexpected)}")
    with Source(path) as source:
        sizes = [len(batch.frame) for batch in read_batches(source, source.tables["t"], ["v"], batch_rows=32)]
    assert sum(sizes) == 200
    assert max(sizes) <= 32


@pytest.mark.parametrize(("rows", "bytes_each"), [(400, 20_000), (40, 300_000), (6, 2_000_000)])
@pytest.mark.parametrize("kind", ["text", "blob"])
def test_a_batch_ends_soon_after_its_bytes(tmp_path: Path, rows: int, bytes_each: int, kind: str) -> None:
    """ "Soon": by one chunk of 16 MiB in the fast lane at the most, by one row in the careful one."""
    made = f"zeroblob({bytes_each})" if kind == "blob" else f"replace(hex(zeroblob({bytes_each // 2})), '00', 'ab')"
    path = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (v)", f"INSERT INTO t {series(rows, made)}")
    with Source(path) as source:
        sizes = [
            int(batch.frame["v"].str.len().sum() if kind == "text" else sum(map(len, batch.frame["v"])))
            for batch in read_batches(source, source.tables["t"], ["v"], batch_bytes=1_000_000)
        ]
    assert sum(sizes) == rows * bytes_each
    slack = 16 * 2**20 if kind == "text" and bytes_each < 2**20 else bytes_each
    assert max(sizes) <= 1_000_000 + slack


# -- parts --------------------------------------------------------------------------------------------------------

PART_ROWS = """
    INSERT INTO t (rowid, n, v)
    WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c WHERE n < 900)
    SELECT 3 * n - 1000, n, CASE WHEN n % 100 = 77 THEN 'x' ELSE n END FROM c
"""


@given(limits=st.sets(st.integers(-1_100, 1_800), max_size=4), batch_rows=st.sampled_from([7, 200, 50_000]))
@settings(max_examples=40, deadline=None)
def test_the_parts_of_a_table_are_the_table(part_rows: Path, limits: set[int], batch_rows: int) -> None:
    """With its row numbers, wherever it is cut: between rowids, on one, before the first, behind the last."""
    whole = read(part_rows, batch_rows=batch_rows)
    found: list[Row] = []
    for after, until in zip([None, *sorted(limits)], [*sorted(limits), None], strict=True):
        found += read(part_rows, part=RowidRange(after, until, len(found)), batch_rows=batch_rows)
    assert found == whole
    assert len(whole) == 900


@pytest.fixture(scope="module")
def part_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sqlite(tmp_path_factory.mktemp("parts") / "parts.db", "CREATE TABLE t (n INTEGER, v)", PART_ROWS)


def test_a_table_without_rowids_has_no_parts(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "w.db", "CREATE TABLE t (a INTEGER PRIMARY KEY, b) WITHOUT ROWID")
    with pytest.raises(ValueError, match="t has no rowids"):
        read(path, part=RowidRange(after=1))
