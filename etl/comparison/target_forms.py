"""What PostgreSQL sends: for each family an expression over the column."""

from psycopg2 import sql

from etl.comparison.large import bounded_sql
from etl.comparison.meaning import BEYOND
from etl.core.types import TargetType


def as_it_is(column: sql.Composable) -> sql.Composable:
    return column


def as_text(column: sql.Composable) -> sql.Composable:
    return sql.SQL("{}::text").format(column)


def as_digit(column: sql.Composable) -> sql.Composable:
    return sql.SQL("{}::int").format(column)


def as_double(column: sql.Composable) -> sql.Composable:
    """Exact for a real, whose own shortest text is not."""
    return sql.SQL("{}::float8").format(column)


def as_hexadecimal(column: sql.Composable) -> sql.Composable:
    return sql.SQL("encode({}, 'hex')").format(column)


def as_microseconds(column: sql.Composable) -> sql.Composable:
    return _microseconds(column, column)


def target_other_sql(column: sql.Composable, zone: str) -> sql.Composable:
    """Microseconds of an instant's wall clock in `zone`, or of the instant of a wall clock."""
    return _microseconds(column, sql.SQL("({} AT TIME ZONE {})").format(column, sql.Literal(zone)))


def _microseconds(column: sql.Composable, moment: sql.Composable) -> sql.Composable:
    """Exact on every version: before 14 `extract` gave floats, too coarse for a whole time, but not for these parts."""
    infinity, minus_infinity, far = (sql.Literal(number) for number in BEYOND)
    return sql.SQL(
        "CASE WHEN {c} IS NULL THEN NULL WHEN {c} > '-infinity' AND {c} < '10000-01-02' THEN "
        "extract(epoch FROM date_trunc('second', {m}))::int8 * 1000000 "
        "+ extract(microseconds FROM {m})::int8 % 1000000 "
        "WHEN {c} = 'infinity' THEN {infinity} WHEN {c} = '-infinity' THEN {minus} ELSE {far} END"
    ).format(c=column, m=moment, infinity=infinity, minus=minus_infinity, far=far)


# -- keys ---------------------------------------------------------------------------------------------------------


def float_key(column: sql.Composable, _target: TargetType) -> sql.Composable:
    return sql.SQL("encode(float8send({}::float8 + 0), 'hex')").format(column)


def numeric_key(column: sql.Composable, _target: TargetType) -> sql.Composable:
    return sql.SQL("CASE WHEN {c}::text LIKE '%.%' THEN rtrim(rtrim({c}::text, '0'), '.') ELSE {c}::text END").format(
        c=column
    )


def document_key(column: sql.Composable, target: TargetType) -> sql.Composable:
    return bounded_sql(json_sql(column, target))


def cast_text(text: sql.Composable, target: TargetType) -> sql.Composable:
    """How PostgreSQL writes a text once it has read it. A cast may shorten: what comes out has to be checked."""
    return sql.SQL("{}::{}::text").format(text, sql.SQL(target.base))


def json_sql(column: sql.Composable, target: TargetType) -> sql.Composable:
    """A text that is the same for equal documents, and for no others.

    Documents are equal though they print 1.0 and 1.00. PostgreSQL's own hash sees through that, but gives [] and {} the
    same; the text without zeros and points, which is the same for equal ones too, tells these apart. A json may hold a
    key twice, which jsonb does not: it seems to have more keys then, and its own text counts.
    """
    document = sql.SQL(
        "jsonb_hash_extended({c}::jsonb, 0) || ' ' || jsonb_hash_extended({c}::jsonb, 1) "
        "|| translate({c}::jsonb::text, '0.', '')"
    ).format(c=column)
    if target.base == "jsonb":
        return document
    repeated = sql.SQL("CASE WHEN {} <> {} THEN md5({}::text) ELSE '' END").format(
        _keys(sql.SQL("{}::text").format(column)), _keys(sql.SQL("{}::jsonb::text").format(column)), column
    )
    return sql.SQL("{} || {}").format(document, repeated)


def _keys(document: sql.Composable) -> sql.Composable:
    return sql.SQL("(SELECT count(*) FROM regexp_matches({}, {}, 'g'))").format(document, sql.Literal(r'"\s*:'))
