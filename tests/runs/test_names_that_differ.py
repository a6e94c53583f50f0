"""Schemas that name things differently, end to end: what is paired, and by whose names results speak."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.commands import Commands, commands
from support.database import Database
from support.loads import books, rejects
from support.sources import make_sqlite
from support.targets import execute, query, state, value

import etl
from etl.validate import main as validate_main

__all__ = ["commands"]


@dataclass(frozen=True)
class Names:
    """A parent table with its key and a text, a child with its key, its reference and a boolean."""

    parent: str
    parent_id: str
    title: str
    child: str
    child_id: str
    ref: str
    paid: str

    def create(self, integer: str, boolean: str) -> tuple[str, str]:
        """Two CREATE TABLE statements."""
        parent, parent_id, title, child, child_id, ref, paid = (
            '"' + name.replace('"', '""') + '"' for name in vars(self).values()
        )
        reference = f"{ref} {integer} REFERENCES {parent} ({parent_id})"
        return (
            f"CREATE TABLE {parent} ({parent_id} {integer} PRIMARY KEY, {title} text NOT NULL)",
            f"CREATE TABLE {child} ({child_id} {integer} PRIMARY KEY, {reference}, {paid} {boolean})",
        )


@dataclass(frozen=True)
class Style:
    """Two namings of the same, and what the user has to decide."""

    source: Names
    target: Names
    mapping: Mapping[str, object] = field(default_factory=dict)
    by: str = "letters and digits"


_LONG = "a_name_that_is_much_longer_than_PostgreSQL_keeps_of_any_name_at_all"
STYLES = {
    "EF Core to hand-written snake_case": Style(
        Names("Customers", "CustomerId", "FullName", "OrderLines", "OrderLineId", "CustomerId", "IsPaid"),
        Names("customers", "customer_id", "full_name", "order_lines", "order_line_id", "customer_id", "is_paid"),
    ),
    "snake_case to PascalCase": Style(
        Names("customers", "customer_id", "full_name", "order_lines", "order_line_id", "customer_id", "is_paid"),
        Names("Customers", "CustomerID", "FullName", "OrderLines", "OrderLineID", "CustomerID", "IsPaid"),
    ),
    "Django to Prisma": Style(
        Names("shop_customer", "id", "full_name", "shop_orderline", "id", "customer_id", "is_paid"),
        Names("ShopCustomer", "id", "fullName", "ShopOrderLine", "id", "customerId", "isPaid"),
    ),
    "Prisma to Rails": Style(
        Names("Customer", "id", "fullName", "OrderLine", "id", "customerId", "paid"),
        Names("customers", "id", "full_name", "order_lines", "id", "customer_id", "is_paid"),
        {
            "tables": {"Customer": "customers", "OrderLine": "order_lines"},
            "columns": {"OrderLine": {"paid": "is_paid"}},
        },
        by="map",
    ),
    "quoted names with spaces": Style(
        Names("Our Customers", "Customer ID", 'The "Name"', "Order Details", "Line No.", "Customer ID", "Paid?"),
        Names("our_customers", "customer_id", "the_name", "order_details", "line_no", "customer_id", "paid"),
    ),
    "cut at 63 bytes": Style(
        Names(_LONG, "id", "title", "é" + _LONG, "id", "ref_of_" + _LONG, "paid"),
        Names(_LONG[:63], "id", "title", ("é" + _LONG)[:62], "id", ("ref_of_" + _LONG)[:63], "paid"),
        by="cut at 63 bytes",
    ),
}


@dataclass(frozen=True)
class Case:
    """A pair of databases: three parents, and five children of which one has no parent and one is half paid."""

    style: Style
    sqlite: Path
    map_file: Path
    url: str


@pytest.fixture(params=STYLES)
def case(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Case:
    style = STYLES[request.param]
    parent, child = style.source.parent.replace('"', '""'), style.source.child.replace('"', '""')
    source = make_sqlite(
        tmp_path / "app.db",
        *style.source.create("INTEGER", "INTEGER"),
        f"INSERT INTO \"{parent}\" VALUES (1, 'one'), (2, 'two'), (3, 'three')",
        f'INSERT INTO "{child}" VALUES (1, 1, 1), (2, 1, 0), (3, 2, 1), (4, 99, 1), (5, 3, 7)',
    )
    execute(database, *style.target.create("bigint", "boolean"), "CREATE TABLE of_another_application (id bigint)")
    map_file = tmp_path / "names.toml"
    map_file.write_text(_toml(style.mapping))
    return Case(style, source, map_file, database.url)


def _toml(mapping: Mapping[str, object]) -> str:
    lines = []
    for section, content in mapping.items():
        assert isinstance(content, dict)
        for name, decision in content.items():
            if isinstance(decision, dict):
                lines += [f"[{section}.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in decision.items())]
            else:
                lines += [f"[{section}]"] * (f"[{section}]" not in lines) + [f"{name} = {json.dumps(decision)}"]
    return "\n".join(lines)


def test_every_command_pairs_the_names_and_speaks_of_the_source(
    case: Case, database: Database, commands: Commands, tmp_path: Path
) -> None:
    source, target = case.style.source, case.style.target
    with_map = ("--map", str(case.map_file))

    plan = etl.plan(case.sqlite, case.url, mapping=case.style.mapping)
    paired = {(pair.table, pair.column): (pair.target, pair.by) for pair in plan.names}
    assert paired[source.parent, None][0] == target.parent
    assert paired[source.child, None] == (target.child, paired[source.child, None][1])
    assert case.style.by in {by for _, by in paired.values()}
    assert f"paired: {source.parent} → {target.parent}" in str(plan)
    assert target.parent in plan._repr_html_()
    assert plan.missing_in_source == ("of_another_application",)

    before = state(database)
    dry = commands.load(case.sqlite, case.url, tmp_path / "dry", "--dry-run", *with_map)
    assert dry.code == 3
    assert f"{source.parent} → {target.parent}" in dry.out
    assert state(database) == before

    done = commands.load(case.sqlite, case.url, tmp_path / "run", *with_map)
    assert done.code == 3, done.err
    assert done.out.count("of_another_application") == 1
    report = etl.open_report(tmp_path / "run")
    assert books(report) == {
        source.parent: (3, 3, 0, 0),
        source.child: (5, 3, 0, 2),
        "of_another_application": (None, None, None, None),
    }
    assert {table.name: table.target_name for table in report.tables}[source.child] == target.child
    assert books(etl.open_report(tmp_path / "dry")) == books(report)
    assert {(pair.table, pair.column): (pair.target, pair.by) for pair in report.names} == paired
    assert len(report.frames.names) == len(paired)
    for page in ("report.html", "report.md"):
        assert "Names paired" in (tmp_path / "run" / page).read_text()
    lines = {line["row"][source.child_id]: line for line in rejects(report, source.child)}
    assert lines[5]["column"] == source.paid
    assert lines[4]["key"] == {source.child_id: 4}
    assert source.parent in lines[4]["reason"]
    assert f"{source.parent_id} = 99" in lines[4]["reason"]

    rows = etl.read_rejects(report, source.child)
    rows.loc[5, source.paid] = 1
    mended = etl.load_mended(rows.loc[[5]], source.child, case.sqlite, case.url, mapping=case.map_file, validate=False)
    assert books(mended)[source.child] == (1, 1, 0, 0)

    again = commands.load(case.sqlite, case.url, tmp_path / "again", *with_map)
    assert again.code == 3
    # The half paid row is refused again; the mended one stands in the target already.
    assert books(etl.open_report(tmp_path / "again"))[source.child] == (5, 0, 3, 2)


def test_differences_go_by_the_sources_names(case: Case, database: Database, tmp_path: Path) -> None:
    source, target = case.style.source, case.style.target
    load = etl.migrate(case.sqlite, case.url, mapping=case.map_file, validate=False, report_folder=tmp_path / "run")
    known = etl.compare(
        case.sqlite, case.url, mapping=case.map_file, load_report=load.folder, report_folder=tmp_path / "as_loaded"
    )
    assert not known.differences
    title, parent_id, parent = (name.replace('"', '""') for name in (target.title, target.parent_id, target.parent))
    execute(database, f'UPDATE "{parent}" SET "{title}" = \'changed\' WHERE "{parent_id}" = 2')
    found = etl.compare(
        case.sqlite, case.url, mapping=case.map_file, load_report=load.folder, report_folder=tmp_path / "compare"
    )
    assert found.exit_code == 3
    (difference,) = found.differences
    assert difference["table"] == source.parent
    assert difference["column"] == source.title
    assert difference["key"] == {source.parent_id: 2}
    assert difference["target_column"] == (target.title if target.title != source.title else None)
    shown = etl.read_differences(found, source.parent)
    assert list(shown["column"]) == [source.title]


# -- what a map decides -------------------------------------------------------------------------------------------

ALBUMS = (
    "CREATE TABLE Artist (ArtistId INTEGER PRIMARY KEY, Name TEXT)",
    "CREATE TABLE Album (AlbumId INTEGER PRIMARY KEY, Title TEXT, Cover TEXT, ArtistId INTEGER REFERENCES Artist)",
    "CREATE TABLE audit_old (id INTEGER)",
    "INSERT INTO Artist VALUES (1, 'a'), (2, 'b')",
    "INSERT INTO Album VALUES (10, 't', 'front', 1), (11, 'u', NULL, 2), (12, 'v', 'back', NULL)",
    "INSERT INTO audit_old VALUES (1), (2)",
)
TARGET = (
    "CREATE TABLE artists (artist_id bigint PRIMARY KEY, name text)",
    "CREATE TABLE albums (album_id bigint PRIMARY KEY, name text, artist_id bigint REFERENCES artists)",
)
DECIDED = """
[tables]
Album = "albums"
Artist = "artists"
audit_old = false
[columns.Album]
Title = "name"
Cover = false
"""


@pytest.fixture
def albums(database: Database, tmp_path: Path) -> Path:
    execute(database, *TARGET)
    return make_sqlite(tmp_path / "albums.db", *ALBUMS)


def test_what_the_map_leaves_out_is_said_and_costs_no_exit_code(
    albums: Path, database: Database, commands: Commands, tmp_path: Path
) -> None:
    (tmp_path / "map.toml").write_text(DECIDED)
    with_map = ("--map", str(tmp_path / "map.toml"))
    done = commands.load(albums, database.url, tmp_path / "run", *with_map)
    assert done.code == 0, done.err
    assert "audit_old' left out, as the map says: 2 rows" in done.out
    report = etl.open_report(tmp_path / "run")
    assert {table.name: table.status.value for table in report.tables}["audit_old"] == "left_out"
    assert [(line["key"], line["values"]) for line in rejects(report, "Album", "dropped")] == [
        ({"AlbumId": 10}, {"Cover": "front"}),
        ({"AlbumId": 12}, {"Cover": "back"}),
    ]
    assert value(database, "SELECT string_agg(name, ',' ORDER BY album_id) FROM albums") == "t,u,v"
    assert "audit_old" in (tmp_path / "run" / "report.html").read_text()
    assert "Left out, as the map says: audit_old (2 rows)" in (tmp_path / "run" / "report.md").read_text()
    compared = etl.compare(albums, database.url, mapping=tmp_path / "map.toml", report_folder=tmp_path / "compare")
    assert compared.exit_code == 0
    assert validate_main(["--sqlite", str(albums), *with_map]) == 0


@pytest.mark.parametrize(("parents", "words"), [(0, "every row here that refers to it is rejected"), (1, "1 row")])
def test_leaving_out_a_parent_says_what_it_costs_before_it_happens(
    parents: int, words: str, albums: Path, database: Database, commands: Commands, tmp_path: Path
) -> None:
    if parents:
        execute(database, "INSERT INTO artists VALUES (1, 'here before')")
    execute(database, "ALTER TABLE artists RENAME TO artist")
    (tmp_path / "map.toml").write_text(DECIDED.replace('"artists"', "false"))
    done = commands.load(albums, database.url, tmp_path / "run", "--map", str(tmp_path / "map.toml"))
    assert done.code == 3
    cost = done.out.index("Album.ArtistId (2 values): Artist (artist in the target)")
    assert words in done.out[cost:].splitlines()[0]
    assert cost < done.out.index("Migrating tables...")
    assert books(etl.open_report(tmp_path / "run"))["Album"] == (3, 1 + parents, 0, 2 - parents)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("[tables]\nAlbun = 'albums'\n", 2, "the source has no table 'Albun'; did you mean 'Album'?"),
        ("[tables]\nAlbum = 'album'\n", 2, "the target has no such table; did you mean 'albums'?"),
        ("[tables]\nAlbum = 'albums'\nArtist = 'albums'\n", 2, "'Album' and 'Artist' all go to 'albums'"),
        ("[tables]\nAlbum = false\n[columns.Album]\nTitle = 'name'\n", 2, "contradicts [tables] Album = false"),
        ("[tables]\nAlbum = 'albums'\n[columns.Album]\nTitle = 'nane'\n", 2, "did you mean 'name'?"),
        ("[times.Album]\nTitle = 'fortnights'\n", 2, "Album.Title=fortnights: there is no such unit"),
        ("[tabels]\n", 2, "did you mean 'tables'?"),
        ("[tables\n", 2, "is not valid TOML"),
        ("", 1, "None of the source's 3 tables is among the target's 2"),
        ("[tables]\nAlbum = 'albums'\n", 1, "Album.Title (3 values in 3 rows; its table is albums in the target)"),
    ],
)
def test_a_map_that_cannot_stand_stops_the_run_and_leaves_the_target_alone(
    text: str, code: int, words: str, albums: Path, database: Database, commands: Commands, tmp_path: Path
) -> None:
    (tmp_path / "map.toml").write_text(text)
    before = state(database)
    done = commands.load(albums, database.url, tmp_path / "run", "--map", str(tmp_path / "map.toml"))
    assert (done.code, words in done.err) == (code, True), done.err
    assert state(database) == before
    left = tmp_path / "run" / "map.toml"
    assert left.exists() == (code == 1)
    assert (f"--map {left}" in done.err) == (code == 1)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (["CREATE TABLE t (a_b, 'A B')"], ["CREATE TABLE t (ab text)"]),
        (["CREATE TABLE t (a_b)"], ['CREATE TABLE t ("aB" text, "A-B" text)']),
        (["CREATE TABLE user_s (a)", "CREATE TABLE 'user-s' (a)"], ["CREATE TABLE users (a text)"]),
    ],
)
def test_names_that_fit_in_more_ways_than_one_are_for_the_user(
    source: list[str], target: list[str], database: Database, commands: Commands, tmp_path: Path
) -> None:
    sqlite = make_sqlite(tmp_path / "app.db", *source)
    execute(database, *target)
    done = commands.load(sqlite, database.url, tmp_path / "run")
    assert done.code == 1
    assert "could be any of" in done.err
    assert "--map" in done.err
    assert tomllib.loads((tmp_path / "run" / "map.toml").read_text()) is not None


def test_the_starter_map_leads_to_a_run_that_loads(
    albums: Path, database: Database, commands: Commands, tmp_path: Path
) -> None:
    """What a user does: run, take away the signs before the guesses, run again."""
    assert commands.load(albums, database.url, tmp_path / "one").code == 1
    starter = tmp_path / "one" / "map.toml"
    assert starter.stat().st_mode & 0o077 == 0
    _decide(starter, "Album = ", "Artist = ", "audit_old = false")
    second = commands.load(albums, database.url, tmp_path / "two", "--map", str(starter))
    assert second.code == 1
    columns = (tmp_path / "two" / "map.toml").read_text()
    assert '# Title = "name"  # text in the target, which fits TEXT here' in columns
    assert value(database, "SELECT count(*) FROM albums") == 0
    next_one = tmp_path / "two" / "map.toml"  # it has what was decided before
    _decide(next_one, "Title = ", "Cover = false")
    starter.write_text(next_one.read_text())
    assert commands.load(albums, database.url, tmp_path / "three", "--map", str(starter)).code == 0
    assert query(database, "SELECT name FROM albums ORDER BY 1") == [("t",), ("u",), ("v",)]


def _decide(path: Path, *beginnings: str) -> None:
    """Takes away the # of the first line for each of the beginnings."""
    lines = path.read_text().splitlines()
    for beginning in beginnings:
        place = next(place for place, line in enumerate(lines) if line.startswith(f"# {beginning}"))
        lines[place] = lines[place].removeprefix("# ")
    path.write_text("\n".join(lines))


def test_units_and_zones_of_the_map_are_those_of_load_and_comparison(database: Database, tmp_path: Path) -> None:
    sqlite = make_sqlite(
        tmp_path / "t.db",
        "CREATE TABLE Person (Id INTEGER PRIMARY KEY, BornAt INTEGER, SeenAt TEXT, WrittenAt TEXT)",
        "INSERT INTO Person VALUES (1, 5, '2024-01-01 09:00:00', '2024-01-01 09:00:00')",
    )
    execute(
        database,
        "CREATE TABLE person (id bigint PRIMARY KEY, born_at timestamptz, seen_at timestamptz, written_at timestamptz)",
    )
    mapping = {"times": {"Person": {"BornAt": "ms", "SeenAt": "Asia/Seoul"}}}
    report = etl.migrate(sqlite, database.url, mapping=mapping, validate=False, report_folder=tmp_path / "run")
    assert report.exit_code == 0
    (row,) = query(
        database,
        "SELECT extract(epoch FROM born_at)::text, seen_at AT TIME ZONE 'UTC', written_at AT TIME ZONE 'UTC' "
        "FROM person",
    )
    assert (row[0], row[1].hour, row[2].hour) == ("0.005000", 0, 9)
    assert etl.compare(sqlite, database.url, mapping=mapping, report_folder=tmp_path / "same").exit_code == 0
    unlike = etl.compare(sqlite, database.url, times={"Person.BornAt": "ms"}, report_folder=tmp_path / "without_zone")
    assert [item["column"] for item in unlike.differences] == ["SeenAt"]
    frame = etl.read_table(sqlite, "Person", mapping={"times": {"Person": {"BornAt": "s"}}})
    assert len(frame) == 1


def test_a_secret_stays_hidden_by_either_name(database: Database, tmp_path: Path) -> None:
    sqlite = make_sqlite(
        tmp_path / "t.db",
        "CREATE TABLE people (id INTEGER PRIMARY KEY, kennwort TEXT)",
        "INSERT INTO people VALUES (1, 'tr0ub4dor')",
    )
    execute(database, "CREATE TABLE people (id bigint PRIMARY KEY, password text)")
    mapping = {"columns": {"people": {"kennwort": "password"}}}
    etl.migrate(sqlite, database.url, mapping=mapping, validate=False, report_folder=tmp_path / "run")
    execute(database, "UPDATE people SET password = 'c0rrect'")
    report = etl.compare(sqlite, database.url, mapping=mapping, report_folder=tmp_path / "compare")
    pages = [path.read_text() for path in (tmp_path / "compare").glob("report.*")]
    pages.append(etl.read_differences(report).to_string())
    assert report.exit_code == 3
    assert not [page for page in pages if "tr0ub4dor" in page or "c0rrect" in page]


def test_a_run_of_some_tables_takes_the_names_of_either_side(albums: Path, database: Database, tmp_path: Path) -> None:
    mapping = {"tables": {"Artist": "artists", "Album": "albums"}}
    for number, name in enumerate(("Artist", "artists")):
        report = etl.migrate(
            albums, database.url, tables=name, mapping=mapping, validate=False, report_folder=tmp_path / str(number)
        )
        assert [table.name for table in report.tables] == ["Artist"]


def test_tables_that_stay_behind_get_guesses_too(
    albums: Path, database: Database, commands: Commands, tmp_path: Path
) -> None:
    """Other tables were loaded, so the run does not stop: what to do next is said all the same."""
    (tmp_path / "map.toml").write_text("[tables]\nArtist = 'artists'\naudit_old = false\n")
    done = commands.load(albums, database.url, tmp_path / "run", "--map", str(tmp_path / "map.toml"))
    assert done.code == 3
    starter = (tmp_path / "run" / "map.toml").read_text()
    assert '# Album = "albums"' in starter
    assert "# Album: 3 rows" in starter
    assert f"guesses are in {tmp_path / 'run' / 'map.toml'}" in done.out
