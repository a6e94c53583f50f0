"""README and docs keep up with the code: every option, exit code, package, page and heading that they name is there."""

import argparse
import ast
import importlib
import inspect
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import etl
from etl.__main__ import COMMANDS
from etl.core.rejects import RejectRule
from etl.core.types import Kind

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
DOCS = "\n".join(PAGES.values())
COMMANDS_PAGE = PAGES[ROOT / "docs" / "commands.md"]
PARSERS = {f"etl.{name}": module for name, (module, _) in COMMANDS.items()}


def parser_of(command: str) -> argparse.ArgumentParser:
    parser = importlib.import_module(PARSERS[command]).build_parser()
    assert isinstance(parser, argparse.ArgumentParser)
    return parser


@pytest.mark.parametrize("command", PARSERS)
def test_every_option_is_in_the_docs(command: str) -> None:
    assert re.search(rf"python -m etl[. ]{command.removeprefix('etl.')}\b", COMMANDS_PAGE)
    options = {name for action in parser_of(command)._actions for name in action.option_strings} - {"-h", "--help"}
    missing = {name for name in options if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", COMMANDS_PAGE)}
    assert not missing


@pytest.mark.parametrize("command", PARSERS)
def test_no_option_that_is_gone_is_named(command: str) -> None:
    name = command.removeprefix("etl.")
    lines = re.findall(rf"(?:python -m etl[. ]|sqlite-to-postgres ){name}\b([^\n`#]*)", DOCS)
    known = {name for action in parser_of(command)._actions for name in action.option_strings}
    assert lines
    for line in lines:
        assert set(re.findall(r"(?<= )--?[a-z][\w-]*", line)) <= known, line


def test_commands_that_are_shown_exist() -> None:
    shown = set(re.findall(r"(?:python -m etl[. ]|sqlite-to-postgres )([a-z]+)\b", DOCS))
    assert shown == {*COMMANDS}
    for module in re.findall(r"python -m (tests[\w.]*)", DOCS):
        assert (ROOT / module.replace(".", "/") / "__main__.py").is_file()
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts.keys() == {"sqlite-to-postgres"}


def test_functions_and_keywords_that_are_shown_exist() -> None:
    blocks = "\n".join(re.findall(r"^```python\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL))
    calls = [node for node in ast.walk(ast.parse(blocks)) if isinstance(node, ast.Call)]
    public = [node for node in calls if ast.unparse(node.func).startswith("etl.")]
    assert {ast.unparse(node.func) for node in public} >= {"etl.migrate", "etl.compare", "etl.plan"}
    for node in public:
        function = getattr(etl, ast.unparse(node.func).removeprefix("etl."))
        positional = [object() for _ in node.args]
        inspect.signature(function).bind(*positional, **{item.arg: object() for item in node.keywords if item.arg})
    for name in re.findall(r"`etl\.([a-z_]+)[(`]", DOCS):
        assert name in etl.__all__ or name in COMMANDS, name


def test_files_of_the_project_that_are_named_exist() -> None:
    for name in re.findall(r"`((?:etl|docs|tests|notebooks|expectations)/[\w./-]+)`", DOCS):
        assert (ROOT / name).exists() or name == "expectations/TABLE.json", name


def test_every_option_of_the_docs_exists() -> None:
    known = {name for command in PARSERS for action in parser_of(command)._actions for name in action.option_strings}
    others = {"--quiet", "--clear"}  # of pip and other commands that the pages show
    others |= {"--host", "--port", "--nthreads", "--dashboard-address"}  # of Dask's
    others |= {"--simulate"}  # of the benchmarks
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", DOCS))
    assert named <= known | others


@pytest.mark.parametrize("code", ["0", "1", "2", "3", "130"])
def test_exit_codes_are_in_readme_and_help(code: str) -> None:
    assert re.search(rf"^\| {code} \|", README, re.MULTILINE)
    assert re.search(rf"^\| {code} \|", COMMANDS_PAGE, re.MULTILINE)
    assert re.search(rf"^  {code} ", parser_of("etl.run").format_help(), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        name, _, heading = link.partition("#")
        leads_to = (page.parent / name).resolve() if name else page
        assert leads_to.is_file(), link
        assert not heading or heading in headings(leads_to), link


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_is_short_and_leads_to_every_page() -> None:
    assert len(README.splitlines()) <= 200
    for page in (ROOT / "docs").glob("*.md"):
        assert f"](docs/{page.name})" in README, page.name


def test_every_package_is_on_the_page_about_the_house() -> None:
    page = PAGES[ROOT / "docs" / "architecture.md"]
    packages = {path.parent.name for path in (ROOT / "etl").glob("*/__init__.py")}
    assert {name for name in re.findall(r"\b([a-z]+)/ ", page) if name != "etl"} == packages
    for name in packages:
        docstring = importlib.import_module(f"etl.{name}").__doc__ or ""
        assert "In: " in docstring, name
        assert "Out: " in docstring, name


def test_the_list_of_the_package_is_short() -> None:
    entries = [path for path in (ROOT / "etl").iterdir() if path.name not in ("__pycache__", "expectations")]
    assert len(entries) <= 30


def test_commands_of_the_readme_are_those_that_ci_runs() -> None:
    for command in ("demo", "test"):
        assert f"<!-- command: {command} -->" in README


def test_constraints_name_versions_only_and_fit_the_ranges() -> None:
    lines = (ROOT / "constraints.txt").read_text().split()
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!]+", line) for line in lines)
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(item for extra in project["optional-dependencies"].values() for item in extra),
    ]
    names = {re.split(r"[<>=~\[ ]", item)[0].lower().replace("_", "-") for item in wanted}
    assert names <= pinned


def test_nothing_generated_is_tracked() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split(
        "\n"
    )
    assert not [name for name in tracked if re.search(r"\.(db|sqlite3?|pyc)$|^(data|reports)/", name)]


def test_every_family_of_types_is_on_the_page_about_conversion() -> None:
    rows = re.findall(r"^\| (`[^|]+`|other types) \|", PAGES[ROOT / "docs" / "conversion.md"], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)} | {"other"}
    assert {kind.value for kind in Kind} <= named | {"double precision"}


def test_every_code_of_a_reject_is_on_the_page_about_reports() -> None:
    listed = re.findall(r"^\| `([a-z_0-9]+)` \|", PAGES[ROOT / "docs" / "reports.md"], re.MULTILINE)
    assert listed == [rule.value for rule in RejectRule]
