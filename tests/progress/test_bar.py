"""The bar: what it says of a table that is begun, under way, and through, and of names that a terminal might obey."""

import io

import pytest
from rich.console import Console

from etl.progress.bar import ActivityBar


def drawn(bar: ActivityBar) -> str:
    console = Console(file=io.StringIO(), record=True, width=130)
    console.print(bar.drawn())
    return console.export_text()


@pytest.fixture
def bar() -> ActivityBar:
    return ActivityBar(shown=False)


def test_a_table_from_its_beginning_to_its_end(bar: ActivityBar) -> None:
    bar.count("Loading users", 0, 1_000)
    assert "Loading users" in drawn(bar)
    assert "rows" not in drawn(bar)
    bar.count("Loading users", 250, 1_000)
    assert "250/1,000 rows" in drawn(bar)
    bar.count("Loading users", 500, 1_000)
    assert "500/1,000 rows" in drawn(bar)
    bar.count("Loading users", 1_000, 1_000)
    assert "1,000 rows, 0:00:00" in drawn(bar)  # it pulses again, and does not sit at 100 %
    bar.begin("Committing")
    assert "Committing" in drawn(bar)
    assert "rows" not in drawn(bar)


def test_a_table_that_is_read_again_begins_again(bar: ActivityBar) -> None:
    bar.count("Loading users", 900, 1_000)
    bar.count("Loading users", 0, 1_000)
    bar.count("Loading users", 100, 1_000)
    assert "100/1,000 rows" in drawn(bar)


def test_names_are_shown_as_they_are(bar: ActivityBar) -> None:
    bar.begin("Loading [red]\x1b[2J")
    assert "Loading [red]�[2J" in drawn(bar)
