"""In a real JupyterLab: what our displays hold is shown as it is, also where it looks like mathematics."""

from collections.abc import Iterator

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from support.browser import BROWSER, Page, browser
from support.database import Server, fresh_database
from support.jupyter_lab import jupyter_lab, open_notebook
from support.report_examples import bad
from support.sources import make_sqlite

import etl

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here")

TABLE, COLUMN, PRICE = "sold $in$ shops", "in $US and $A", "costs $5 today, $6 tomorrow"


@pytest.fixture(scope="module")
def displays(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The HTML of everything that displays itself, over a source whose names and values hold dollars."""
    folder = tmp_path_factory.mktemp("dollars")
    source = make_sqlite(
        folder / "a $b$ shop.db",
        f'CREATE TABLE "{TABLE}" (id INTEGER PRIMARY KEY, "{COLUMN}" INTEGER NOT NULL)',
        f"""INSERT INTO "{TABLE}" VALUES (1, '{PRICE}'), (2, 3)""",
    )
    users = pd.DataFrame({"username": [PRICE], "role": [PRICE]})
    with fresh_database(server) as database:
        report = etl.migrate(
            source, database.url, create_schema=True, types="declared", validate=False, report_folder=folder / "report"
        )
        plan = etl.plan(source, database.url)
    shown = {
        "report": report,
        "rejects by reason": report.frames.rejects,
        "rejects": etl.read_rejects(report),
        "rejected rows": etl.read_rejects(report, TABLE),
        "rejected rows, turned": etl.read_rejects(report, TABLE).T,
        "a part of them": etl.read_rejects(report, TABLE)[[COLUMN]].head(1),
        "table": etl.read_table(source, TABLE),
        "profile": etl.profile(source),
        "disagreements": etl.profile(source).disagreements,
        "schema": etl.propose_schema(source),
        "columns": etl.propose_schema(source).columns,
        "plan": plan,
        "source check": etl.check_source(source),
        "expectations": etl.validate_frame(users, "users"),
        "findings": bad(),
        "pandas' own": pd.DataFrame({"plain": [PRICE]}),
    }
    return {name: str(item._repr_html_()) for name, item in shown.items()}  # type: ignore[operator]


@pytest.fixture(scope="module")
def page(displays: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A notebook with these outputs, as it is when somebody opens it."""
    folder = tmp_path_factory.mktemp("lab")
    root = folder / "root"
    root.mkdir()
    outputs = [new_output("execute_result", {"text/html": html}, execution_count=1) for html in displays.values()]
    notebook = new_notebook(cells=[new_code_cell("shown", outputs=[output]) for output in outputs])
    nbformat.write(notebook, root / "dollars.ipynb")
    with jupyter_lab(root, folder) as url, browser(folder) as opened:
        open_notebook(opened, url, "dollars.ipynb")
        opened.wait_for("!!document.querySelector('.jp-OutputArea-output mjx-container')")
        yield opened


def test_what_looks_like_mathematics_is_shown_as_written(page: Page, displays: dict[str, str]) -> None:
    script = "[...document.querySelectorAll('.jp-OutputArea-output')].map((cell) => [%s])"
    found = page.value(script % "cell.querySelectorAll('mjx-container').length, cell.innerText")
    typeset = {name: count for name, (count, _) in zip(displays, found, strict=True) if count}
    assert typeset == {"pandas' own": 1}  # else nobody would know whether the typesetter had come by
    texts = {name: text for name, (_, text) in zip(displays, found, strict=True)}
    for name in ("rejected rows", "a part of them"):
        assert PRICE in texts[name]
    for name in ("report", "plan", "profile", "schema", "rejects", "source check"):
        assert TABLE in texts[name]
    assert COLUMN in texts["rejected rows, turned"]


def test_texts_begin_at_the_left_and_numbers_end_at_the_right(page: Page, displays: dict[str, str]) -> None:
    script = """[...document.querySelectorAll('.jp-OutputArea-output')[PLACE].querySelectorAll('tr')]
        .map((row) => [...row.cells].slice(1).map((cell) => getComputedStyle(cell).textAlign))"""
    rows = page.value(script.replace("PLACE", str(list(displays).index("rejects"))))
    texts = ["left", "right", "right", *["left"] * 7]  # row number and rowid are numbers
    assert rows == [texts, texts]


@pytest.mark.parametrize(
    ("display", "headings"),
    [
        ("profile", ["Target", "Rejected", "Unusual"]),
        ("report", ["Rejected"]),  # the others are 0 in every table
        ("findings", ["Rejected", "Different", "Missing", "Extra"]),
    ],
)
def test_what_matters_is_in_view(page: Page, displays: dict[str, str], display: str, headings: list[str]) -> None:
    """Beside the file browser, in a window 1280 px wide."""
    script = """(() => {
        const output = document.querySelectorAll('.jp-OutputArea-output')[PLACE];
        const end = output.getBoundingClientRect().right;
        return [...output.querySelectorAll('th')].filter((cell) => cell.getBoundingClientRect().right <= end)
            .map((cell) => cell.innerText);
    })()"""
    seen = page.value(script.replace("PLACE", str(list(displays).index(display))))
    assert isinstance(seen, list)
    assert set(headings) <= set(seen)
