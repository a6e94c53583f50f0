"""Both notebooks from top to bottom: on the sample as committed, on a database full of trouble, on empty ones.

Where committed outputs no longer match, `python tests/support/notebook_runs.py` makes them anew; look at what changed.
"""

import ast
import base64
import getpass
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from support.database import Database, Server, fresh_database
from support.notebook_runs import NAMES, NOTEBOOKS, code_cells, normalised, run
from support.odd_database import make_odd
from support.sources import make_sqlite
from support.targets import query

import etl
from etl.notebook import charts, workspace
from etl.sample.build import make_sample, new_database
from etl.validation.suites import default_folder

Runs = dict[str, NotebookNode]


@pytest.fixture(scope="module", autouse=True)
def fonts_are_known() -> None:
    """Matplotlib looks for fonts once for each user, and says so where that takes long."""
    assert charts.Picture()


@pytest.fixture(scope="module")
def committed() -> Runs:
    return {name: nbformat.read(NOTEBOOKS / name, as_version=4) for name in NAMES}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Both, one after the other, on a machine that has nothing yet."""
    project = tmp_path_factory.mktemp("fresh")
    return {name: run(name, project) for name in NAMES}


def texts(notebook: NotebookNode) -> str:
    """Everything that the outputs say, pictures left out."""
    return repr([item for outputs in normalised(notebook) for item in outputs])


def complaints(notebook: NotebookNode) -> list[object]:
    """Outputs that are no results: errors, warnings, printed text."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return [output for output in outputs if output.output_type not in ("execute_result", "display_data")]


# -- as committed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_outputs_are_those_of_a_fresh_run(name: str, committed: Runs, fresh: Runs) -> None:
    for cell, found, expected in zip(
        code_cells(committed[name]), normalised(fresh[name]), normalised(committed[name]), strict=True
    ):
        assert found == expected, (
            f"{cell.source}\n\nRun `python tests/support/notebook_runs.py` and look at the changes."
        )
    counts = [cell.execution_count for cell in code_cells(committed[name])]
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_about_as_large_as_committed(name: str, committed: Runs, fresh: Runs) -> None:
    pairs = zip(pictures(committed[name]), pictures(fresh[name]), strict=True)
    for before, after in pairs:
        assert before[16:24] == after[16:24]  # a PNG's width and height
        assert len(before) == pytest.approx(len(after), rel=0.2)


def pictures(notebook: NotebookNode) -> list[bytes]:
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    coded = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    return [base64.b64decode(text) for text in coded]


def test_a_changed_number_is_noticed(committed: Runs) -> None:
    changed = nbformat.from_dict(committed["explore.ipynb"])
    other = nbformat.reads(nbformat.writes(changed).replace("820 rows", "821 rows"), as_version=4)
    assert normalised(other) != normalised(committed["explore.ipynb"])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_this_machine_is_committed(name: str) -> None:
    text = (NOTEBOOKS / name).read_text()
    for private in ("/tmp", "/home", "/root", str(Path.cwd()), str(Path.home()), "host=", "password=", "$2b$"):
        assert private not in text, private
    assert getpass.getuser() == "root" or getpass.getuser() not in text
    assert len(text) < 600_000


@pytest.mark.parametrize("name", NAMES)
def test_notebooks_are_thin(name: str, committed: Runs) -> None:
    cells = code_cells(committed[name])
    assert cells[0].metadata.tags == ["parameters"]
    for cell in cells:
        tree = ast.parse(cell.source)
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef)]
        assert "SELECT " not in cell.source.upper()
        assert len(tree.body) <= 6
    assert sum(cell.cell_type == "markdown" for cell in committed[name].cells) >= len(cells) / 2


def test_ruff_has_nothing_to_say() -> None:
    for command in (["check"], ["format", "--check"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, str(NOTEBOOKS)], check=True, capture_output=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_run_says_nothing_beside_its_results(name: str, committed: Runs, fresh: Runs) -> None:
    assert complaints(committed[name]) == complaints(fresh[name]) == []


def test_the_projects_suites_stay_as_they_are(fresh: Runs) -> None:
    assert fresh
    assert all("Only an example" not in path.read_text() for path in default_folder().iterdir())


# -- a database full of trouble -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def target(server: Server) -> Iterator[Database]:
    with fresh_database(server) as found:
        yield found


@pytest.fixture(scope="module")
def troubled(target: Database, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Explored, loaded on the command line's side, then reconciled, with one row mended."""
    project = tmp_path_factory.mktemp("troubled")
    path = make_odd(project / "odd.db")
    before = path.read_bytes()
    nothing = etl.migrate(path, target.url, create_schema=True, extra_columns="drop", report_folder=project / "report")
    place: dict[str, object] = {"sqlite": str(path), "pg": target.url}
    explored = run("explore.ipynb", project, place)
    found = {
        "explore.ipynb": explored,
        "reconcile.ipynb": run(
            "reconcile.ipynb",
            project,
            {**place, "report_folder": str(nothing.folder), "extra_columns": "drop"},
            mending={"table": "users", "mended": {2: {"is_active": 1}}},
        ),
    }
    assert path.read_bytes() == before
    return found


@pytest.mark.parametrize("name", NAMES)
def test_trouble_ends_no_notebook(name: str, troubled: Runs) -> None:
    assert complaints(troubled[name]) == []


@pytest.mark.parametrize("name", NAMES)
def test_secrets_are_not_displayed(name: str, troubled: Runs) -> None:
    assert "cleartext-secret" not in texts(troubled[name])
    assert "a hidden value" in texts(troubled[name])


@pytest.mark.parametrize(
    "finding",
    ["nickname", "left behind", "nobody", "stored as integer", "is not JSON", "<details open><summary>audit_logs"],
)
def test_exploring_finds_the_troubles(finding: str, troubled: Runs) -> None:
    assert finding in texts(troubled["explore.ipynb"])


@pytest.mark.parametrize(
    "finding", ["fails expect_column_values_to_be_in_set", "its parent in users", "is not a boolean", "is_active"]
)
def test_reconciling_finds_the_troubles(finding: str, troubled: Runs) -> None:
    assert finding in texts(troubled["reconcile.ipynb"])


def test_the_mended_row_has_arrived_and_the_comparison_knows_it(target: Database, troubled: Runs) -> None:
    assert "1 row is in the target as mended after the load" in texts(troubled["reconcile.ipynb"])
    assert query(target, "SELECT is_active FROM users WHERE username = 'jihoon'") == [(True,)]


# -- another application's database --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """A library: no table of the sample's, one orphan, one date that is none."""
    project = tmp_path_factory.mktemp("other")
    path = make_sqlite(
        project / "library.db",
        "CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
        "CREATE TABLE book (isbn TEXT PRIMARY KEY, author_id INT REFERENCES author (id), price DECIMAL(8,2), due DATE)",
        "CREATE VIEW odd AS SELECT random() AS r FROM book",
        "INSERT INTO author VALUES (1, 'A'), (2, 'B')",
        "INSERT INTO book VALUES ('1', 1, 9.9, '2024-02-30'), ('2', 7, 12, '2024-02-29')",
    )
    return {name: run(name, project, {"sqlite": str(path)}) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_they_work_for_any_database(name: str, other: Runs) -> None:
    assert complaints(other[name]) == []
    assert "users" not in texts(other[name])


@pytest.mark.parametrize("finding", ["numeric(8,2)", "date does not hold every value", ">odd<", "NOT VALID"])
def test_exploring_shows_the_schema(finding: str, other: Runs) -> None:
    assert finding in texts(other["explore.ipynb"])


# -- empty ones ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def emptiness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("emptiness")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tables", [True, False], ids=["without rows", "without tables"])
def test_an_empty_database(name: str, tables: bool, emptiness: Path) -> None:
    path = emptiness / f"empty_{tables}.db"
    if tables:
        with new_database(path):
            pass
    else:
        make_sqlite(path, "CREATE TABLE IF NOT EXISTS t (a)", "DROP TABLE t")
    found = run(name, emptiness, {"sqlite": str(path)})
    assert complaints(found) == []
    expected = "had no rows to move" if name == "reconcile.ipynb" else "0 rows in 20 tables"
    assert (expected if tables else "The source has no tables") in texts(found)


# -- what they stand on -------------------------------------------------------------------------------------------


def test_the_source_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert workspace.find_source() == Path("data/demo.db")
    assert Path.cwd() == tmp_path
    made = Path("data/demo.db").stat().st_mtime_ns
    assert workspace.find_source() == Path("data/demo.db")
    assert Path("data/demo.db").stat().st_mtime_ns == made
    make_sample(tmp_path / "data/unified.db")
    assert workspace.find_source() == Path("data/unified.db")
    assert workspace.find_source("other.db") == Path("other.db")


def test_a_copy_of_the_suites_is_made_once(tmp_path: Path) -> None:
    make_sample(tmp_path / "demo.db")
    copy = workspace.copy_suites(tmp_path / "copy", tmp_path / "demo.db")
    assert {path.name for path in copy.iterdir()} == {path.name for path in default_folder().iterdir()}
    (copy / "users.json").write_text("mine")
    assert (workspace.copy_suites(copy, tmp_path / "demo.db") / "users.json").read_text() == "mine"
    other = make_sqlite(tmp_path / "other.db", "CREATE TABLE users (uuid TEXT)")
    assert list(workspace.copy_suites(tmp_path / "none", other).iterdir()) == []


def test_the_latest_load_of_this_source_into_this_target(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_sample(Path("demo.db"))
    assert workspace.latest_report("demo.db", database.url) is None
    first = etl.migrate("demo.db", database.url, create_schema=True, validate=False)
    second = etl.migrate("demo.db", database.url, validate=False)
    etl.forecast("demo.db", database.url)
    etl.compare("demo.db", database.url)
    Path("reports/other").mkdir()
    Path("reports/other/report.json").write_text("{}")
    assert workspace.load_report("demo.db", database.url).run_id == second.run_id
    assert first.folder is not None
    assert workspace.load_report("demo.db", database.url, first.folder).run_id == first.run_id
    make_sample(Path("other.db"))
    assert workspace.latest_report("other.db", database.url) is None


def test_a_forecast_says_what_would_stop_the_load(database: Database, tmp_path: Path) -> None:
    make_sample(tmp_path / "demo.db")
    forecast = etl.forecast(tmp_path / "demo.db", database.url, report_folder=tmp_path / "forecast")
    assert "The target has no tables" in str(forecast.error)
    assert forecast.exit_code == 1
    assert workspace.compare_again(forecast, database.url) is forecast
