"""The front door: one program, its commands, and what it says to whoever mistypes."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from etl.core.version import __version__
from etl.sample.build import make_sample

ROOT = Path(__file__).parents[2]


def program(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """`python -m etl …` in a folder of its own, without any database of the user's."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("PG", "DATABASE_URL"))}
    return subprocess.run(
        [sys.executable, "-m", "etl", *map(str, arguments)],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("arguments", [(), ("--help",), ("help",)])
def test_it_lists_the_commands_with_a_line_each(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = program(*arguments, folder=tmp_path)
    assert done.returncode == 0
    for command in ("run", "profile", "validate", "reconcile", "server"):
        assert [line for line in done.stdout.splitlines() if line.startswith(f"  {command} ")], command


def test_it_says_its_version(tmp_path: Path) -> None:
    for arguments in (("--version",), ("run", "--version")):
        assert program(*arguments, folder=tmp_path).stdout.strip() == __version__


def test_the_source_is_an_argument_or_an_option(tmp_path: Path) -> None:
    make_sample(tmp_path / "app.db")
    for source in (("app.db",), ("--sqlite", "app.db")):
        done = program("validate", *source, "--tables", "users", folder=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert "5 rows" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("lod",), "there is no command 'lod'"),
        (("rnu",), "there is no command 'rnu' (did you mean 'run'?). There is: run,"),
        (("reconsile", "app.db"), "did you mean 'reconcile'?"),
        (("run", "--tabels", "users"), "unrecognized arguments: --tabels; did you mean '--tables'?"),
        (("run", "--dryrun"), "did you mean '--dry-run'?"),
        (("run", "app.db", "other.db", "--dryrun", "--tabels=x"), "did you mean '--dry-run', '--tables'?"),
        (("run", "app.db", "--sqlite", "other.db"), "argument --sqlite: not allowed with argument SOURCE"),
        (("run", "app.db", "--demo"), "argument --demo: not allowed with argument SOURCE"),
        (("run", "--batch-rows", "0"), "'0' is not a whole number above 0"),
        (("run", "--extra-columns", "keep"), "invalid choice: 'keep'"),
    ],
)
def test_a_mistake_is_one_line_of_usage_and_one_of_reason(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = program(*arguments, folder=tmp_path)
    usage, reason = done.stderr.splitlines()
    assert "[SOURCE]" in usage
    assert done.returncode == 2
    assert usage.startswith("usage: ")
    assert "--help lists" in usage
    assert words in reason


@pytest.mark.parametrize("command", ["run", "validate"])
def test_a_mistyped_table_is_told_with_the_nearest(tmp_path: Path, command: str) -> None:
    make_sample(tmp_path / "app.db")
    extra = ("--skip-validation",) if command == "run" else ()
    done = program(command, "app.db", "--tables", "usres", *extra, folder=tmp_path)
    assert done.returncode == 2
    assert "did you mean 'users'?" in done.stderr


def test_the_installed_script_is_the_front_door(tmp_path: Path) -> None:
    make_sample(tmp_path / "app.db")
    script = Path(sysconfig.get_path("scripts"), "sqlite-to-postgres")
    done = subprocess.run(
        [script, "validate", "app.db"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Ready to be loaded" in done.stdout


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    done = program("run", "nowhere.db", folder=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_help_waits_for_no_heavy_library() -> None:
    """pandas, SQLAlchemy and Great Expectations take seconds."""
    probe = """
import sys
from etl.__main__ import main
for name in ("", "run", "validate", "reconcile", "server"):
    try:
        main([name, "--help"] if name else ["--help"])
    except SystemExit:
        continue
sys.exit(bool({"pandas", "great_expectations", "pyarrow"} & sys.modules.keys()))
"""
    subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=True, capture_output=True)
