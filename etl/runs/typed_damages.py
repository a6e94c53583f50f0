"""A table of types that the sample lacks, and damages to their values, for the self-test.

Each column: its type, its values in the source, and what is done to them. Some only spell a value in another way, which
must not be found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from etl.core.difference_kinds import DifferenceKind
from etl.runs.damages import EVERY_ROW, Damage

TABLE = "selftest_types"
ROWS = 6


@dataclass(frozen=True)
class _Column:
    """A type in PostgreSQL, the source's values (SQL over the row's number n, 1 to 6), and damages to them."""

    type_sql: str
    stored: str
    damages: Sequence[Damage]


def _lost(kind: DifferenceKind, words: str, change: str) -> Damage:
    return Damage(kind, words, TABLE, change=change)


def _respelled(words: str, change: str) -> Damage:
    return Damage(None, words, TABLE, change=change, in_source=True)


_COLUMNS: Sequence[_Column] = (
    _Column(
        "timestamp",
        "'2024-01-31 1' || n || ':30:00'",
        (_lost(DifferenceKind.TIME_SHIFTED, "times of day lost from timestamps", "date_trunc('day', {c})"),),
    ),
    _Column(
        "date",
        "'2024-02-0' || n",
        (
            Damage(
                DifferenceKind.LOST_CLOCK,
                "dates whose time of day is left behind",
                TABLE,
                change="{c} || ' 17:45:00'",
                in_source=True,
            ),
        ),
    ),
    _Column(
        "date",
        "'2024-03-0' || n",
        (
            Damage(
                DifferenceKind.TIME_SHIFTED,
                "a whole column of dates one day later",
                TABLE,
                change="{c} + 1",
                rows=EVERY_ROW,
                whole_column=True,
            ),
        ),
    ),
    _Column(
        "time",
        "'10:0' || n || ':00.25'",
        (_lost(DifferenceKind.LOST_SUBSECONDS, "fractions dropped from times of day", "{c}::time(0)"),),
    ),
    _Column(
        "timetz",
        "'10:0' || n || ':00+02'",
        (_lost(DifferenceKind.OTHER, "times of day moved to another zone", "{c} AT TIME ZONE interval '1 hour'"),),
    ),
    _Column(
        "interval",
        "n || ' days'",
        (_lost(DifferenceKind.OTHER, "days of intervals made hours", "justify_interval({c}) - {c} + {c} * 24"),),
    ),
    _Column("interval", "n || ' days'", (_respelled("intervals in ISO 8601", "'P' || id || 'D'"),)),
    _Column(
        "numeric(8,3)[]",
        "'{' || n || '.125,2}'",
        (_lost(DifferenceKind.OTHER, "elements of arrays rounded", "array[round({c}[1], 2), {c}[2]]"),),
    ),
    _Column("integer[]", "'{' || n || ',2}'", (_respelled("arrays with spaces", "'{ ' || id || ' , 2 }'"),)),
    _Column(
        "daterange",
        "'[2024-01-0' || n || ',2024-02-01)'",
        (_lost(DifferenceKind.OTHER, "bounds of ranges moved", "daterange(lower({c}), upper({c}) + 1)"),),
    ),
    _Column(
        "daterange",
        "'[2024-01-0' || n || ',2024-02-01)'",
        (_respelled("ranges with both bounds inclusive", "'[2024-01-0' || id || ',2024-01-31]'"),),
    ),
    _Column(
        "selftest_part",
        "'(' || n || '.25,a)'",
        (_lost(DifferenceKind.OTHER, "fields of composites rounded", "row(round(({c}).amount, 1), ({c}).note)"),),
    ),
    _Column(
        "selftest_code",
        "'abc' || n",
        (_lost(DifferenceKind.TRUNCATED, "values of a domain cut off", "left({c}, 3)"),),
    ),
    _Column(
        "selftest_mood",
        "'ok'",
        (_lost(DifferenceKind.CHANGED_TEXT, "labels of an enumeration exchanged", "'sad'"),),
    ),
    _Column(
        "bit varying(8)",
        "'10110' || (n % 2)",
        (_lost(DifferenceKind.TRUNCATED, "bits cut off", "substring({c} from 1 for 3)"),),
    ),
    _Column(
        "money",
        "n || '.75'",
        (_lost(DifferenceKind.LOST_DIGITS, "cents cut off", "trunc({c}::numeric)::money"),),
    ),
    _Column("oid", "n", (_lost(DifferenceKind.OTHER, "object identifiers wrapped around", "(-{c}::int)::oid"),)),
    _Column(
        "uuid",
        "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1' || n",
        (_respelled("UUIDs in capitals, without hyphens", "upper(replace({c}, '-', ''))"),),
    ),
    _Column(
        "inet",
        "'192.168.0.' || n || '/24'",
        (_lost(DifferenceKind.OTHER, "lengths of networks lost", "host({c})::inet"),),
    ),
    _Column(
        "jsonb",
        """'{"a":2,"n":' || n || '}'""",
        (
            Damage(
                DifferenceKind.JSON_CHANGED,
                "keys that an object holds twice, of which one is kept",
                TABLE,
                change="""replace({c}, '{', '{"a":1,')""",
                in_source=True,
            ),
        ),
    ),
)
_TYPES = (
    "CREATE TYPE selftest_part AS (amount numeric(8,2), note text)",
    "CREATE TYPE selftest_mood AS ENUM ('sad', 'ok')",
    "CREATE DOMAIN selftest_code AS varchar(5)",
)


def source_statements() -> Sequence[str]:
    """SQLite's table of these types, filled."""
    names = [f"v{place}" for place in range(len(_COLUMNS))]
    numbers = " UNION ALL ".join(f"SELECT {number} AS n" for number in range(1, ROWS + 1))
    stored = ", ".join(column.stored for column in _COLUMNS)
    return (
        f"CREATE TABLE {TABLE} (id INTEGER PRIMARY KEY, {', '.join(names)})",
        f"INSERT INTO {TABLE} SELECT n, {stored} FROM ({numbers})",
    )


def target_statements() -> Sequence[str]:
    """PostgreSQL's types and table, empty."""
    columns = ", ".join(f"v{place} {column.type_sql}" for place, column in enumerate(_COLUMNS))
    return (*_TYPES, f"CREATE TABLE {TABLE} (id integer PRIMARY KEY, {columns})")


def _placed(damage: Damage, name: str) -> Damage:
    return Damage(
        damage.kind,
        damage.words,
        damage.table,
        name,
        damage.change.replace("{c}", name),
        rows=damage.rows,
        in_source=damage.in_source,
        whole_column=damage.whole_column,
    )


TYPED_DAMAGES: Sequence[Damage] = tuple(
    _placed(damage, f"v{place}") for place, column in enumerate(_COLUMNS) for damage in column.damages
)
