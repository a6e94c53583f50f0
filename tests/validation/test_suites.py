"""The 20 suites against Great Expectations and the schema; broken suites; derived ones; adding an expectation."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from etl.core.errors import SuiteError
from etl.core.tables import Check, TargetColumn, TargetTable, UniqueKey
from etl.core.types import Kind, TargetType
from etl.schema.unified import create_missing, metadata, target_types
from etl.target.catalog import read_catalog
from etl.target.session import Session
from etl.validation.frame import validate_frame
from etl.validation.rules import RULES
from etl.validation.suite_file import add_expectation
from etl.validation.suites import default_folder, derive_suite, load_suite, load_suites, suites_for

FILES = sorted(default_folder().glob("*.json"))
TABLES = {name: target_types(name) for name in metadata.tables}
TEXT = TargetType(Kind.TEXT, "text")
COLUMNS = {
    "id": TargetType(Kind.BIGINT, "bigint"),
    "role": TEXT,
    "made": TargetType(Kind.TIMESTAMPTZ, "timestamp with time zone"),
    "price": TargetType(Kind.NUMERIC, "numeric"),
    "flag": TargetType(Kind.BOOLEAN, "boolean"),
    "photo": TargetType(Kind.BYTEA, "bytea"),
}


@pytest.fixture(scope="module")
def gx() -> Any:
    """Great Expectations with a context, which its suites ask for; warnings of its imports do not count."""
    from etl.validation.checker import Checker

    return Checker([], latest=None)._gx  # type: ignore[arg-type]


def test_every_table_has_a_suite_and_every_suite_a_table() -> None:
    assert [path.stem for path in FILES] == sorted(metadata.tables)
    assert load_suites(default_folder(), TABLES).keys() == metadata.tables.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_great_expectations_loads_it_and_would_write_the_same(gx: Any, path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    stored = gx.ExpectationSuite(**json.loads(path.read_text(encoding="utf-8"))).to_json_dict()
    assert (stored["name"], stored["notes"]) == (content["name"], content["notes"])
    kept = [{name: item[name] for name in ("type", "kwargs", "severity", "notes")} for item in stored["expectations"]]
    assert kept == content["expectations"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_expectation_says_why(path: Path) -> None:
    assert all(item["notes"].endswith(".") for item in json.loads(path.read_text(encoding="utf-8"))["expectations"])


def test_critical_is_what_the_target_demands_no_more_and_no_less(database: Any) -> None:
    """Both directions at once: every NOT NULL and CHECK of the schema is in a suite, and nothing else rejects rows."""
    with database.engine().begin() as connection:
        create_missing(connection)
        tables = read_catalog(Session(connection), "public")
    written = load_suites(default_folder(), TABLES)
    for name in metadata.tables:
        demanded = {str(item) + str(item.columns) for item in derive_suite(tables[name]).expectations}
        critical = {str(item) + str(item.columns) for item in written[name].expectations if item.severity == "critical"}
        assert critical == demanded, name


def test_rules_know_the_arguments_that_great_expectations_knows(gx: Any) -> None:
    common = {"id", "meta", "notes", "result_format", "description", "catch_exceptions", "rendered_content", "severity"}
    common |= {"library_metadata"}  # versions before 1.21 have it here
    unused = common | {"windows", "batch_id", "row_condition", "condition_parser", "mostly"}
    for type_name, rule in RULES.items():
        fields = gx.expectations.registry.get_expectation_impl(type_name).__fields__
        assert fields.keys() - unused == {*rule.columns, *rule.required, *rule.optional}, type_name
        required = {name for name, found in fields.items() if found.required}
        assert required <= {*rule.columns, *rule.required}, type_name


NOT_NULL = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "role"}}
BETWEEN = "expect_column_values_to_be_between"


def suite_text(*expectations: Any, **changes: Any) -> str:
    return json.dumps({"name": "t", "expectations": list(expectations), **changes})


def one(type_name: str, severity: str = "critical", **kwargs: Any) -> str:
    return suite_text({"type": type_name, "kwargs": kwargs, "severity": severity})


BROKEN = [
    ('{"name": "t",\n  "expectations": [,]}', r"t\.json, line 2, column 20: "),
    ("", r"line 1, column 1"),
    ("[]", 'a suite is a JSON object with a "name"'),
    ('{"name": "t", "name": "u", "expectations": [1]}', "'name' stands twice"),
    ('{"name": "t", "expectations": [NaN]}', "NaN is no JSON"),
    ('{"name": "t", "expectations": []}', "has no expectations"),
    (suite_text(NOT_NULL, name="u"), "its name is 'u', but the file is for the table 't'"),
    (suite_text(NOT_NULL, expectation=[]), "unknown key 'expectation'"),
    (suite_text(NOT_NULL, NOT_NULL), "expectation 2 .* stands further up already"),
    (suite_text("x"), 'expectation 1: an expectation is a JSON object with a "type"'),
    (suite_text({**NOT_NULL, "serverity": "warning"}), "expectation 1 .*unknown key 'serverity'"),
    (suite_text({**NOT_NULL, "severity": "fatal"}), "severity 'fatal' is none of critical, warning, info"),
    (one("expect_column_values_to_be_not_null", column="role"), "no expectation that can be checked here"),
    (one("expect_column_values_to_be_unique", column="id"), "judged on the whole table, .* make it a warning"),
    (one("expect_column_mean_to_be_between", "warning", column="role", min_value=1), "does not fit column 'role'"),
    (one("expect_column_kl_divergence_to_be_less_than", "warning", column="id"), "that can be checked here"),
    (
        one("expect_column_values_to_not_be_null", column="rolle"),
        "the table has no column 'rolle' .did you mean 'role'... There is: id, role",
    ),
    (one("expect_column_values_to_not_be_null", column=1), "1 is no column name"),
    (one("expect_column_values_to_not_be_null", colum="role"), "unknown argument 'colum'"),
    (one("expect_column_values_to_not_be_null"), "argument 'column' is missing"),
    (one(BETWEEN, column="id"), "needs min_value or max_value"),
    (one(BETWEEN, column="id", min_value=1, max_vale=2), "unknown argument 'max_vale'"),
    (one(BETWEEN, column="id", min_value=2, max_value=1), "min_value 2 is above max_value 1"),
    (one(BETWEEN, column="made", min_value="2026-01-02", max_value="2026-01-01"), "min_value 2026-01-02 .* is above"),
    (one("expect_column_value_lengths_to_be_between", column="role", min_value=2, max_value=1), "is above"),
    (one(BETWEEN, column="id", min_value="1"), "min_value: '1' is no number"),
    (one(BETWEEN, column="id", min_value=True), "True is no number"),
    (one(BETWEEN, column="id", min_value=2**53 + 1), "9007199254740993 cannot be kept exactly"),
    (one(BETWEEN, column="role", min_value=1), "does not fit column 'role' of type text"),
    (one(BETWEEN, column="made", max_value="yesterday"), "max_value: .*yesterday"),
    (one(BETWEEN, column="made", max_value={"$PARAMETER": "now"}), "the only suite parameter"),
    (one(BETWEEN, column="id", min_value=1, strict_min="yes"), "'yes' is neither true nor false"),
    (one(BETWEEN, column="id", min_value=1, row_condition="x"), "unknown argument 'row_condition'"),
    (one("expect_column_values_to_be_in_set", column="role", value_set=[]), "value_set: the set is no list, or empty"),
    (one("expect_column_values_to_be_in_set", column="role", value_set=[1]), "1 is no text"),
    (one("expect_column_values_to_be_in_set", column="flag", value_set=["true"]), "'true' is no true or false"),
    (one("expect_column_values_to_be_in_set", column="price", value_set=[1]), "does not fit column 'price'"),
    (one("expect_column_values_to_match_regex", column="role", regex="("), "is no regular expression"),
    (one("expect_column_values_to_match_regex", column="photo", regex="x"), "does not fit column 'photo'"),
    (one("expect_column_value_lengths_to_equal", column="role", value=-1), "is no length"),
    (one("expect_column_pair_values_to_be_equal", column_A="id", column_B="made"), "id and made cannot be compared"),
    (one("expect_table_row_count_to_be_between", min_value=1), "a count cannot reject single rows"),
    (one("expect_column_values_to_not_be_null", column="role", mostly=0.9), "does not say which rows to reject"),
    (one("expect_column_values_to_not_be_null", "warning", column="role", mostly=2), "no share between 0 and 1"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=range(len(BROKEN)))
def test_broken_suite_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(SuiteError, match=message) as caught:
        load_suites(tmp_path, {"t": COLUMNS})
    assert str(tmp_path / "t.json") in str(caught.value)


def test_unreadable_suite_and_missing_folder(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_bytes(b'{"name": "\xff"}')
    with pytest.raises(SuiteError, match=r"t\.json: .*utf-8"):
        load_suites(tmp_path, {"t": COLUMNS})
    with pytest.raises(SuiteError, match=r"no folder .*nowhere"):
        load_suites(tmp_path / "nowhere", {})


def test_severity_defaults_to_critical_and_notes_may_stand_in_meta(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(suite_text({**NOT_NULL, "meta": {"notes": ["One.", "Two."]}}))
    (expectation,) = load_suite(tmp_path / "t.json", "t", COLUMNS).expectations
    assert (expectation.severity, expectation.notes) == ("critical", "One. Two.")


def target_table(*columns: TargetColumn, checks: tuple[str, ...] = ()) -> TargetTable:
    return TargetTable(
        schema="public", name="t", oid=1, columns=columns, primary_key=UniqueKey("t_pkey", ("id",)), uniques=(),
        has_other_uniques=False, foreign_keys=(), indexes=(), has_triggers=False, row_security=False, owned=True,
        ordinary=True, lockable=True,
        checks=tuple(Check(f"c{place}", (), text, f"CHECK ({text})") for place, text in enumerate(checks)),
    )  # fmt: skip


def column(name: str, kind: Kind = Kind.TEXT, *, not_null: bool = False, length: int | None = None) -> TargetColumn:
    return TargetColumn(name, TargetType(kind, kind.value, length), not_null, False, False, False, None)


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("(role = ANY (ARRAY['a'::text, 'b''s'::text]))", {"column": "role", "value_set": ["a", "b's"]}),
        (
            "((name)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
            {"column": "name", "value_set": ["a", "b"]},
        ),
        ("(name = ANY (ARRAY['a'::citext]))", None),
        ("(code = ANY (ARRAY['a'::bpchar]))", None),
        ("((code)::text = ANY (ARRAY['a'::text]))", None),
        ("((day)::text = ANY (ARRAY['2026-01-01'::text]))", None),
        ("(rank = ANY (ARRAY[1, 2]))", None),
        ("((rank >= 1) AND (rank <= 5))", {"column": "rank", "min_value": 1, "max_value": 5}),
        ("((rank >= 1) AND (other <= 5))", None),
        ("(rank > 0)", None),
        ("(length(role) > 0)", None),
        ("((role = ANY (ARRAY['a'::text])) OR (rank > 0))", None),
    ],
)
def test_plain_checks_become_expectations(check: str, expected: dict[str, Any] | None) -> None:
    name = TargetColumn("name", TargetType(Kind.TEXT, "character varying"), False, False, False, False, None)
    code = TargetColumn("code", TargetType(Kind.TEXT, "character(3)"), False, False, False, False, None)
    day = column("day", Kind.TIMESTAMP)
    table = target_table(column("role"), column("rank", Kind.INTEGER), name, code, day, checks=(check,))
    suite = derive_suite(table)
    assert [dict(item.kwargs) for item in suite.expectations] == ([] if expected is None else [expected])


def test_derived_suite_knows_required_columns_and_lengths(tmp_path: Path) -> None:
    table = target_table(column("id", not_null=True), column("code", length=3))
    suite = suites_for(tmp_path, [table])["t"]
    assert suite.derived
    assert [(item.type, item.columns, item.severity) for item in suite.expectations] == [
        ("expect_column_values_to_not_be_null", ("id",), "critical"),
        ("expect_column_value_lengths_to_be_between", ("code",), "critical"),
    ]
    assert suite.expectations[1].kwargs["max_value"] == 3


def test_a_written_suite_comes_before_a_derived_one(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(suite_text(NOT_NULL))
    suite = suites_for(tmp_path, [target_table(column("role"), column("id", not_null=True))])["t"]
    assert [item.columns for item in suite.expectations] == [("role",)]
    assert not suite.derived


NEW = {
    "type": BETWEEN,
    "kwargs": {"column": "id", "min_value": 1},
    "severity": "warning",
    "notes": "Ångström [x] “ok”.",
}
LAYOUTS = [
    '{\n  "name": "t",\n  "expectations": [\n    {"type": "T", "kwargs": {"column": "role"}}\n  ],\n  "id": null\n}',
    (
        '{"notes": "\\"expectations\\": [",\r\n\t"expectations": [\r\n\t\t{"type": "T", "kwargs": {"column": "role"}}'
        '\r\n\t],\r\n\t"name": "t"\r\n}'
    ),
    '{"name":"t","meta":{"expectations":["]"]},"expectations":[{"type":"T","kwargs":{"column":"role"}}]}',
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_adding_keeps_what_the_file_says_and_who_may_read_it(tmp_path: Path, layout: str) -> None:
    text = layout.replace('"T"', f'"{NOT_NULL["type"]}"')
    path = tmp_path / "t.json"
    path.write_bytes(text.encode())
    path.chmod(0o640)
    assert add_expectation("t", NEW, folder=tmp_path, columns=COLUMNS) == path
    before, after = json.loads(text), json.loads(path.read_text(encoding="utf-8"))
    assert after.pop("expectations") == [*before.pop("expectations"), NEW]
    assert list(after.items()) == list(before.items())
    assert path.stat().st_mode & 0o777 == 0o640
    assert [found.name for found in tmp_path.iterdir()] == ["t.json"]


def test_adding_to_the_real_suites_changes_one_place(tmp_path: Path) -> None:
    for source in FILES:
        (tmp_path / source.name).write_bytes(source.read_bytes())
        before = source.read_text(encoding="utf-8").splitlines()
        add_expectation(source.stem, {**NOT_NULL, "kwargs": {"column": "added"}}, folder=tmp_path)
        after = (tmp_path / source.name).read_text(encoding="utf-8").splitlines()
        added = [
            "    },",
            "    {",
            f'      "type": "{NOT_NULL["type"]}",',
            '      "kwargs": {',
            '        "column": "added"',
            "      }",
        ]
        assert after == [*before[:-3], *added, *before[-3:]]


def test_adding_twice_changes_nothing_and_contradiction_is_refused(tmp_path: Path) -> None:
    path = add_expectation("t", NEW, folder=tmp_path)
    text = path.read_text(encoding="utf-8")
    assert load_suite(path, "t", COLUMNS).expectations[0].notes == NEW["notes"]
    add_expectation("t", NEW, folder=tmp_path)
    with pytest.raises(SuiteError, match="already says"):
        add_expectation("t", {**NEW, "severity": "critical"}, folder=tmp_path)
    with pytest.raises(SuiteError, match=r"the new expectation for t .*no column 'nobody'"):
        add_expectation("t", {**NOT_NULL, "kwargs": {"column": "nobody"}}, folder=tmp_path, columns=COLUMNS)
    assert path.read_text(encoding="utf-8") == text


def test_great_expectations_own_objects_can_be_added(gx: Any, tmp_path: Path) -> None:
    made = gx.expectations.ExpectColumnValuesToBeInSet(
        column="role", value_set=["a"], severity="warning", notes="Because."
    )
    path = add_expectation("t", made, folder=tmp_path, columns=COLUMNS)
    assert json.loads(path.read_text())["expectations"] == [
        {
            "type": "expect_column_values_to_be_in_set",
            "kwargs": {"column": "role", "value_set": ["a"]},
            "notes": "Because.",
            "severity": "warning",
        }
    ]


ALBUMS = pd.DataFrame({"id": [1, 2], "title": ["A", None]})
TITLED = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "title"}}


def test_a_table_without_a_suite_gets_one_in_the_first_go(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there yet"
    assert add_expectation("albums", TITLED, folder=folder, columns=ALBUMS) == folder / "albums.json"
    assert list(validate_frame(ALBUMS, "albums", expectations=folder).rejected.index) == [1]


def test_a_misspelt_column_is_told_where_the_columns_are_known(tmp_path: Path) -> None:
    wrong = {**TITLED, "kwargs": {"column": "titel"}}
    with pytest.raises(SuiteError, match=r"no column 'titel' \(did you mean 'title'\?\)\. There is: id, title"):
        add_expectation("albums", wrong, folder=tmp_path, columns=ALBUMS)
    with pytest.raises(SuiteError, match=r"no column 'emial' \(did you mean 'email'"):
        add_expectation("users", {**TITLED, "kwargs": {"column": "emial"}})  # one of the 20
    assert not [*tmp_path.iterdir()]


def test_names_that_no_file_can_have_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"'\.\./users' cannot have a suite file"):
        add_expectation("../users", TITLED, folder=tmp_path / "suites")
    with pytest.raises(SuiteError, match=r"There is no .*albums\.json; etl\.add_expectation\('albums'"):
        validate_frame(ALBUMS, "albums", expectations=tmp_path)
    assert not [*tmp_path.iterdir()]


def test_another_applications_table_of_the_same_name_has_its_own_columns(tmp_path: Path) -> None:
    users = pd.DataFrame({"uuid": ["a", None], "nick": ["b", "c"]})
    add_expectation("users", {**TITLED, "kwargs": {"column": "uuid"}}, folder=tmp_path, columns=users)
    assert list(validate_frame(users, "users", expectations=tmp_path).rejected.index) == [1]
    with pytest.raises(SuiteError, match="no column 'email'"):
        add_expectation("users", {**TITLED, "kwargs": {"column": "email"}}, folder=tmp_path, columns=users)
