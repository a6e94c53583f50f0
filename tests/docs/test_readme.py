"""The README keeps up with the commands: every option, exit code and file that it has to name is there."""

import argparse
import re
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PARSERS = {
    "etl.run": "etl.run",
    "etl.validate": "etl.validate",
    "etl.reconcile": "etl.reconcile",
    "etl.server": "etl.server",
}


def parser_of(command: str) -> argparse.ArgumentParser:
    parser = import_module(PARSERS[command]).build_parser()
    assert isinstance(parser, argparse.ArgumentParser)
    return parser


@pytest.mark.parametrize("command", PARSERS)
def test_every_option_is_in_the_readme(command: str) -> None:
    assert f"python -m {command}" in README
    options = {name for action in parser_of(command)._actions for name in action.option_strings} - {"-h", "--help"}
    missing = {name for name in options if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", README)}
    assert not missing


@pytest.mark.parametrize("command", PARSERS)
def test_readme_names_no_option_that_is_gone(command: str) -> None:
    used = set(re.findall(rf"python -m {re.escape(command)}((?: +--?[a-z][\w-]*(?: [^-\s#][^\s#]*)?)+)", README))
    known = {name for action in parser_of(command)._actions for name in action.option_strings}
    for line in used:
        assert set(re.findall(r"(?<= )--?[a-z][\w-]*", line)) <= known, line


def test_every_option_of_the_readme_exists() -> None:
    known = {name for command in PARSERS for action in parser_of(command)._actions for name in action.option_strings}
    others = {"--quiet", "--clear"}  # of pip and other commands that the README shows
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README))
    assert named <= known | others


@pytest.mark.parametrize("code", ["0", "1", "2", "3", "130"])
def test_exit_codes_are_in_readme_and_help(code: str) -> None:
    assert re.search(rf"^\| {code} \|", README, re.MULTILINE)
    assert re.search(rf"^  {code} ", parser_of("etl.run").format_help(), re.MULTILINE)


def test_files_that_the_readme_names_exist() -> None:
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / picture).is_file(), picture
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
