"""What jsonb accepts: a table of texts, and the same texts and many random ones put to PostgreSQL itself."""

import random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from support.database import Database

from etl.conversion.casts.cells import RefusalError
from etl.conversion.casts.json_text import DEEPEST, check_json, json_from_text
from etl.core.types import Kind, TargetType

JSON = TargetType(Kind.JSON, "json")
JSONB = TargetType(Kind.JSON, "jsonb")

ACCEPTED = [
    *(
        "1",
        "-0",
        "-0.0",
        "1E5",
        "1e+5",
        "0e400000",
        "1.50",
        "true",
        "false",
        "null",
        '""',
        "[]",
        "{}",
        " \t\n\r1 \t\n\r",
    ),
    *(
        '{"a":1,"a":2}',
        '{"":1}',
        '"\\/"',
        '"\x7f\x80\u2028\ufffe"',
        '"\\uffff"',
        '[[],{},[{"a":[]}]]',
        '{"a" : [ 1 , 2 ] }',
    ),
    *(r'"\\u0000"', r'"\ud83d\ude00"', r'"\uD83D\uDE00"', r'"\\\\ud800"'),
    *(
        "1e400",
        "1e131071",
        "9" * 131072,
        "1e-16383",
        "0.5e-16382",
        "0." + "1" * 16383,
        "0." + "0" * 200000 + "1e200001",
    ),
    *("0e1073741822", "0." + "1" * 15000 + "e-500", "[" * 5000 + "]" * 5000, '{"a":' * 5000 + "1" + "}" * 5000),
]
REFUSED = [
    *(
        "",
        " ",
        "\t",
        "\f1",
        "\v1",
        "\u00a01",
        "\x851",
        "\ufeff1",
        '"a\tb"',
        '"a\nb"',
        '"\x1f"',
        "[1,]",
        '{"a":1,}',
        "{'a':1}",
    ),
    *(
        "/*x*/1",
        "1 2",
        "True",
        "Null",
        "nan",
        "NaN",
        "Infinity",
        "-Infinity",
        r'"\x41"',
        r'"\'"',
        r'"\u12"',
        r'"\U00410000"',
    ),
    *(
        "{a:1}",
        "{1:1}",
        "truex",
        "[true1]",
        "[1true]",
        '[1"a"]',
        r'"\u+041"',
        r'"\u 041"',
        "１",
        "1\v",
        '"',
        '"a',
        "[",
        "]",
    ),
    *(
        "{",
        "}",
        "[}",
        "{]",
        "[1}",
        ",",
        ":",
        "[,]",
        "[1,,2]",
        "[1 2]",
        '{"a"}',
        '{"a":}',
        '{"a",1}',
        '{"a":1:2}',
        "1,2",
        "[1:2]",
    ),
    *("01", "-01", "1.", ".5", "+1", "0x10", "1_000", "-", "1e", "1e+", "--1", "1e131072e", "1" + "\\"),
    *(
        r'"\u0000"',
        r'{"\u0000":1}',
        r'"\\\u0000"',
        r'"\ud800"',
        r'"\udc00"',
        r'"\ud800\ud800"',
        r'"\ud800a"',
        r'"\ud800\n"',
    ),
    *(r'{"\ud800":1}', r'"\ud800\ud83d\ude00"', r'"\ude00\ud83d"'),
    *(
        "1e131072",
        "1e400000",
        "1e99999999999",
        "9" * 131073,
        "1e-16384",
        "0.5e-16383",
        "0e-400000",
        "0e1073741824",
        "0e+99999999999",
    ),
    *(
        "0." + "1" * 16384,
        "0." + "0" * 16384,
        "0." + "1" * 16380 + "e-5",
        '{"a": [1e-20000]}',
        "[" * 100_000 + "]" * 100_000,
    ),
]


def accepts(texts: list[str]) -> list[bool]:
    return [value is not None for value in json_from_text(pa.array(texts, pa.string()), JSON).values.to_pylist()]


@pytest.mark.parametrize("value", ACCEPTED, ids=lambda value: ascii(value)[:30])
def test_accepted_and_unchanged(value: str) -> None:
    assert json_from_text(pa.array([value, None, value]), JSON).values.to_pylist() == [value, None, value]
    check_json(value)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ('{"a":1,"a":2}', False),
        ('{"a":1,"\\u0061":2}', False),
        ('{"a" : 1 , "a" : 1}', False),
        ('[{"b":{"a":1,"a":1}}]', False),
        ('{"a\\u0022: ":1,"a\\u0022: ":2}', False),
        ('{"a\\u0022: ":1,"b":2}', True),
        ('{"a":{"a":1},"b":[{"a":1},{"a":2}]}', True),
        ('{"a":"\\"a\\":1","b":18446744073709551616}', True),
    ],
)
def test_jsonb_keeps_every_key_or_nothing(value: str, kept: bool) -> None:
    cells = json_from_text(pa.array([value]), JSONB)
    assert cells.values.to_pylist() == [value if kept else None]
    assert kept or "has a key twice" in cells.faults[0].words


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: ascii(value)[:30])
def test_refused(value: str) -> None:
    cells = json_from_text(pa.array(["1", value, None]), JSONB)
    assert cells.values.to_pylist() == ["1", None, None]
    assert list(cells.faults) == [1]
    with pytest.raises(RefusalError):
        check_json(value)


def test_the_depth_that_no_server_reads_by_default() -> None:
    check_json("[" * DEEPEST + "]" * DEEPEST)
    with pytest.raises(RefusalError, match="nested more than"):
        check_json("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1))


PIECES = [
    *(
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        " ",
        "\n",
        '"a"',
        '"',
        "\\",
        r"\u0000",
        r"\ud83d",
        r"\ude00",
        r"\n",
        "1",
        "0",
        "-",
        ".",
    ),
    *("e", "E", "+", "12.5", "1e5", "true", "null", "false", "é", "\t", "x", '{"a":', "[1,", '"b":2', "]]", "}}"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_the_scanner_and_orjson_agree(value: str) -> None:
    scanned = True
    try:
        check_json(value)
    except RefusalError:
        scanned = False
    assert accepts([value]) == [scanned]


def random_texts(count: int) -> list[str]:
    generator = random.Random(20260130)
    whole = ["".join(generator.choices(PIECES, k=generator.randint(1, 9))) for _ in range(count)]
    strings = ['"' + "".join(generator.choices(PIECES[9:15], k=generator.randint(1, 5))) + '"' for _ in range(count)]
    numbers = ["".join(generator.choices("0019.eE+-", k=generator.randint(1, 8))) for _ in range(count)]
    return sorted({*whole, *strings, *numbers})


def test_postgresql_agrees(database: Database) -> None:
    texts = [*ACCEPTED, *REFUSED, *random_texts(4000)]
    function = """
        CREATE FUNCTION pg_temp.accepts(value text) RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN RETURN value::jsonb IS NOT NULL; EXCEPTION WHEN OTHERS THEN RETURN false; END $$"""
    with database.engine().connect() as connection:
        connection.execute(text(function))
        query = text("SELECT pg_temp.accepts(value) FROM unnest(:texts) WITH ORDINALITY AS t(value, n) ORDER BY n")
        judged = list(connection.scalars(query, {"texts": texts}))
    ours = accepts(texts)
    assert [value for value, here, there in zip(texts, ours, judged, strict=True) if here != there] == []
    assert 200 < sum(ours) < len(texts) - 200
