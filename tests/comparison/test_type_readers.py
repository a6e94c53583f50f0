"""What texts mean in each type: the same in other spellings, another value where anything was lost, or nothing."""

import pytest

from etl.comparison.families import FAMILIES
from etl.comparison.meaning import MeaninglessError, repeats_key
from etl.comparison.readers import READERS, means_same
from etl.comparison.rewritten import classify_rewriting
from etl.core.types import Kind, Rewriting, TargetType


def type_of(kind: Kind, **parts: object) -> TargetType:
    return TargetType(kind, kind.value, **parts)  # type: ignore[arg-type]


def array_of(element: TargetType) -> TargetType:
    return type_of(Kind.ARRAY, element=element)


def range_of(subtype: TargetType) -> TargetType:
    return type_of(Kind.RANGE, subtype=subtype)


DATE, TIME, TIMETZ, INTERVAL = map(type_of, (Kind.DATE, Kind.TIME, Kind.TIMETZ, Kind.INTERVAL))
INTEGER, NUMERIC, REAL, DOUBLE = map(type_of, (Kind.INTEGER, Kind.NUMERIC, Kind.REAL, Kind.DOUBLE))
TEXT, TIMESTAMP, TIMESTAMPTZ, BOOLEAN = map(type_of, (Kind.TEXT, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.BOOLEAN))
MONEY, UUID, INET, CIDR, MACADDR = map(type_of, (Kind.MONEY, Kind.UUID, Kind.INET, Kind.CIDR, Kind.MACADDR))
JSONB = TargetType(Kind.JSON, "jsonb")
OTHER = type_of(Kind.OTHER)
ROW = type_of(Kind.COMPOSITE, fields=(("a", NUMERIC), ("b", TEXT), ("c", DATE)))
MIXED = type_of(Kind.COMPOSITE, fields=(("a", DATE), ("b", OTHER)))
INTEGERS = array_of(INTEGER)
DAYS = range_of(DATE)
MANY = type_of(Kind.MULTIRANGE, subtype=INTEGER)

# Type, the source's text, what PostgreSQL writes.
SAME: list[tuple[TargetType, str, str]] = [
    (DATE, "2024-1-5", "2024-01-05"),
    (TIME, "7:05", "07:05:00"),
    (TIME, "07:05:00.5000000", "07:05:00.5"),
    (TIMETZ, "10:00 Z", "10:00:00+00"),
    (TIMETZ, "10:00:00-0530", "10:00:00-05:30"),
    (INTERVAL, "P1Y2M3W4DT5H6M7.5S", "1 year 2 mons 25 days 05:06:07.5"),
    (INTERVAL, "P-1DT+2H", "-1 days +02:00:00"),
    (INTERVAL, "PT-0.5S", "-00:00:00.5"),
    (INTERVAL, "90 minutes", "01:30:00"),
    (INTERVAL, "1 week 2 days", "9 days"),
    (INTERVAL, "PT0S", "00:00:00"),
    (MONEY, "1234.5", "$1,234.50"),
    (MONEY, "-$3", "-$3.00"),
    (UUID, "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    (INET, "::FFFF", "::ffff"),
    (INET, "10.0.0.1/32", "10.0.0.1"),
    (CIDR, "10.0.0.0/8", "10.0.0.0/8"),
    (MACADDR, "08002B010203", "08:00:2b:01:02:03"),
    (type_of(Kind.OID), "007", "7"),
    (DOUBLE, "1e3", "1000"),
    (REAL, "0.1", "0.1"),
    (NUMERIC, "1.50", "1.5"),
    (JSONB, '{"a": 1.0, "b": [true]}', '{"b": [true], "a": 1.00}'),
    (TIMESTAMPTZ, "2024-01-31T10:00:00+02:00", "2024-01-31 08:00:00+00"),
    (INTEGERS, "{ 1 , null }", "{1,NULL}"),
    (INTEGERS, "[1:2]={1,2}", "{1,2}"),
    (INTEGERS, "[0:1] = {1,2}", "[0:1]={1,2}"),
    (array_of(TEXT), '{a,"b",c\\ d}', '{a,b,"c d"}'),
    (array_of(TEXT), '{ "a" ,x" "y, \\ }', '{a,"x y"," "}'),
    (array_of(BOOLEAN), "{true,0}", "{t,f}"),
    (array_of(REAL), "{0.123456789}", "{0.12345679}"),
    (array_of(DAYS), '{"[2024-01-01,2024-01-31]"}', '{"[2024-01-01,2024-02-01)"}'),
    (ROW, '("1.50","a ""b""",2024-1-5)', '(1.50,"a ""b""",2024-01-05)'),
    (ROW, "(,,)", "(,,)"),
    (DAYS, "[2024-01-01,9999-12-31]", "[2024-01-01,10000-01-01)"),
    (DAYS, "(2024-01-01,2024-01-02)", "empty"),
    (range_of(INTEGER), "[1,1]", "[1,2)"),
    (range_of(INTEGER), "(,5]", "(,6)"),
    (range_of(INTEGER), "[1,1)", "empty"),
    (range_of(NUMERIC), "[1.10,2.50)", "[1.1,2.5)"),
    (range_of(TEXT), '["a",B)', "[a,B)"),
    (MANY, "{[3,4),[1,2],empty}", "{[1,4)}"),
    (MANY, "{[1,5),(,0]}", "{(,5)}"),
    (MANY, "{[2,5),(,0]}", "{(,1),[2,5)}"),
    (type_of(Kind.MULTIRANGE, subtype=TEXT), '{[a,B),["c\\"",d]}', '{[a,B),["c""",d]}'),
    (OTHER, "( 1.0 , 2 )", "(1,2)"),
    (MIXED, "(2024-1-5,1.0)", "(2024-01-05,1)"),
]
DIFFERENT: list[tuple[TargetType, str, str]] = [
    (DATE, "2024-01-05", "2024-05-01"),
    (DATE, "9999-12-31", "infinity"),
    (DATE, "0044-03-15", "0044-03-15 BC"),
    (TIME, "10:00", "10:00:00.000001"),
    (TIMETZ, "10:00+00", "11:00:00+01"),
    (INTERVAL, "1 day", "24:00:00"),
    (INTERVAL, "1 month", "30 days"),
    (INTERVAL, "P1D", "infinity"),
    (MONEY, "12.345", "$12.35"),
    (type_of(Kind.BIT), "1011", "101"),
    (INET, "192.168.0.1/24", "192.168.0.1"),
    (REAL, "1.2345678", "1.2345671"),
    (array_of(REAL), "{1.2345678}", "{1.2345671}"),
    (array_of(DOUBLE), "{1}", "{NaN}"),
    (array_of(NUMERIC), "{1}", "{Infinity}"),
    (INTEGERS, "{1,2}", "{2,1}"),
    (INTEGERS, "{1,2}", "[0:1]={1,2}"),
    (INTEGERS, "{{1},{2}}", "{1,2}"),
    (array_of(TEXT), '{"NULL"}', "{NULL}"),
    (array_of(TEXT), '{"a b"}', "{ab}"),
    (array_of(type_of(Kind.BYTEA)), '{"\\\\x00ff"}', '{"\\\\x00fe"}'),
    (array_of(JSONB), '{"[1]"}', '{"[true]"}'),
    (ROW, "(1,,2024-01-05)", '(1,"",2024-01-05)'),
    (ROW, "(1.005,a,2024-01-05)", "(1.01,a,2024-01-05)"),
    (DAYS, "[2024-01-01,)", "[2024-01-01,infinity)"),
    (DAYS, "[2024-01-01,2024-02-01)", "[-infinity,2024-02-01)"),
    (DAYS, "[2024-01-01,2024-02-01)", "empty"),
    (range_of(NUMERIC), "[1,2)", "[1,2]"),
    (range_of(NUMERIC), "[1,2)", "[1,NaN)"),
    (range_of(TEXT), "[a,B)", "[a,C)"),
    (range_of(TEXT), "[a,B)", "empty"),
    (range_of(TIMESTAMP), "[2024-01-01 10:00,)", '["2024-01-01 00:00:00",)'),
    (range_of(TIMESTAMP), "[2024-01-01,2024-02-01)", '["2024-01-01 00:00:00",infinity)'),
    (MANY, "{[1,3),[5,7)}", "{[1,7)}"),
    (MANY, "{}", "{[1,2)}"),
    (OTHER, "(1,2)", "(1,3)"),
    (OTHER, "007", "7"),
    (OTHER, '"a"=>"1", "a"=>"2"', '"a"=>"1"'),
    (OTHER, "12345678901234567890123456789012345", "12345678901234567890123456789012346"),
    (MIXED, "(2024-01-05,x)", "(2024-05-01,x)"),
]
LONG = "9" * 5_000
NONSENSE: dict[TargetType, tuple[str, ...]] = {
    DATE: ("03/04/2024", "2024-02-30", "2024-01-31 17:45", "infinity", "epoch", "20240131", "", "0000-01-01"),
    TIME: ("24:00", "23:59:59.9999999", "10 PM", "2024-01-01 10:00", "10:00:60", "allballs"),
    TIMETZ: ("10:00", "10:00+16", "10:00 PST"),
    INTERVAL: (
        *("5400000000", "1.12:30:00", "1.0000004 s", "infinity", "", "P", "PT", "1 day 1 day"),
        *(f"{LONG} days", f"P{LONG}D", "1.5 days", "1 fortnight"),
    ),
    MONEY: ("1,234.50", "€5", "1e99999999999999999999"),
    type_of(Kind.BIT): ("102", "B101", "x1F"),
    UUID: ("a0eebc99", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    INET: ("192.168.1", "300.1.1.1", "1.2.3.4/255.0.0.0", "fe80::1%eth0"),
    CIDR: ("192.168.0.1/24",),
    MACADDR: ("08:00:2b", "08:00-2b:01:02:03", "0800:2b01:0203"),
    type_of(Kind.OID): ("1.0",),
    INTEGER: (LONG, "1.0", " 1", "١"),
    NUMERIC: ("NaN", "1e99999999999999999999", "0x10", "1_000"),
    DOUBLE: ("9007199254740993", "1e400", "NaN"),
    INTEGERS: ("1,2", "{1", "{1}}", "{1,}", "{1.5}", "[1:5]={1,2}", "[0:1]={1}", "{1}x"),
    ROW: ("(1,a)", "1,a,2024-01-05", "(1,a,2024-01-05 10:00)", '(1,"a,2024-01-05)'),
    DAYS: ("[2024-02-01,2024-01-01)", "[2024-01-01 10:00,)", "2024-01-01", "[2024-01-01]", "[today,)"),
    MANY: ("[1,2)", "{[1,2),x}", "{1}"),
    array_of(JSONB): ('{"{\\"a\\":1,\\"a\\":2}"}',),
}


@pytest.mark.parametrize("pair", SAME, ids=lambda pair: f"{pair[0].sql} {pair[1]}")
def test_other_spellings_of_the_same(pair: tuple[TargetType, str, str]) -> None:
    target, stored, written = pair
    assert means_same(stored, written, target)


@pytest.mark.parametrize("pair", DIFFERENT, ids=lambda pair: f"{pair[0].sql} {pair[1]}")
def test_other_values(pair: tuple[TargetType, str, str]) -> None:
    target, stored, written = pair
    assert not means_same(stored, written, target)


@pytest.mark.parametrize("target", NONSENSE, ids=lambda target: target.sql)
def test_texts_without_a_meaning(target: TargetType) -> None:
    assert [stored for stored in NONSENSE[target] if is_read(stored, target)] == []


def is_read(stored: str, target: TargetType) -> bool:
    try:
        READERS[target.kind](stored, target, False)
    except MeaninglessError:
        return False
    return True


def test_every_kind_has_a_family_and_a_reader() -> None:
    assert set(FAMILIES) == set(READERS) == set(Kind)


@pytest.mark.parametrize(
    ("stored", "written", "expected"),
    [
        ("a", "a", Rewriting.SAME),
        ('a=>1,"b"=>2', '"a"=>"1", "b"=>"2"', Rewriting.REWRITTEN),
        ("b a", "'a' 'b'", Rewriting.REWRITTEN),
        ("a a", "'a'", Rewriting.BENT),
        ("-5", "4294967291", Rewriting.BENT),
        ("1.50", "1.5", Rewriting.REWRITTEN),
        ("1.50", "1.51", Rewriting.BENT),
        ("A", "a", Rewriting.BENT),
        ("1e999999999", "1e999999998", Rewriting.BENT),
        ("1e99999999999999999999", "x", Rewriting.BENT),
    ],
)
def test_what_the_server_writes_back(stored: str, written: str, expected: Rewriting) -> None:
    assert classify_rewriting(stored, written, OTHER) is expected


@pytest.mark.parametrize("name", ["name", '"char"'])
@pytest.mark.parametrize(("stored", "written"), [("1.0", "1"), ("a ", "a"), ("1[", "1"), ("ab", "a")])
def test_types_that_hold_texts_as_they_stand_may_not_cut_them(name: str, stored: str, written: str) -> None:
    target = TargetType(Kind.OTHER, name)
    assert classify_rewriting(stored, written, target) is Rewriting.BENT
    assert classify_rewriting(f'{{"{stored}"}}', f'{{"{written}"}}', array_of(target)) is Rewriting.BENT
    assert classify_rewriting(f'{{"{written}"}}', f"{{{written}}}", array_of(target)) is Rewriting.REWRITTEN


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ('{"a":1,"a":2}', True),
        ('[{"a":{"b":1,"b":1}}]', True),
        ('{"a":1,"\\u0061":2}', True),
        ('{"a":{"a":1},"b":[{"a":1},{"a":1}]}', False),
        ('{"a":"a\\":","b":"{\\"a\\":1"}', False),
        ("[" * 5_000 + '{"a":1,"a":1}' + "]" * 5_000, True),
        ("7", False),
    ],
    ids=range(7),
)
def test_keys_that_an_object_holds_twice(document: str, expected: bool) -> None:
    assert repeats_key(document) is expected
