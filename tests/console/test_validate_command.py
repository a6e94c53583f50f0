"""`python -m etl.validate` as a user runs it: exit codes, what stands on which stream, and that nothing is left."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.sources import make_sqlite

from etl.sample.build import make_sample

ROOT = Path(__file__).parents[2]


def validate(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command, run in `folder`; whatever it says, nothing in there may change."""
    before = folder_state(folder)
    run = subprocess.run(
        [sys.executable, "-m", "etl.validate", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert folder_state(folder) == before
    assert "Traceback" not in run.stderr
    return run


def folder_state(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A folder with the sample as `data/unified.db`, where the command looks first."""
    make_sample(tmp_path / "data" / "unified.db")
    return tmp_path


def test_ready(sample: Path) -> None:
    run = validate(sample)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("820 rows of 20 tables: 0 would be rejected")
    assert run.stdout.endswith("✓ Ready to be loaded.\n")


def test_not_ready(sample: Path) -> None:
    make_sqlite(
        sample / "data" / "unified.db",
        "PRAGMA ignore_check_constraints = ON",
        "UPDATE users SET role = 'root\x1b[31m', created_at = 'soon' WHERE rowid = 1",
        "UPDATE users SET role = 'root' WHERE rowid = 2",
    )
    run = validate(sample, "--tables", "users")
    assert (run.returncode, run.stderr) == (3, "")
    assert run.stdout.splitlines()[0] == "5 rows of 1 table: 2 would be rejected; expectations not met: 1"
    assert "1 row of users.created_at [convert]: " in run.stdout
    assert "1 row of users.role [validate]: fails expect_column_values_to_be_in_set" in run.stdout
    assert "\x1b" not in run.stdout
    assert "Ready" not in run.stdout
    as_json = validate(sample, "--tables", "users,memory_tags", "--json", "--report", "../check")
    assert (as_json.returncode, as_json.stderr) == (3, "")
    content = json.loads(as_json.stdout)
    assert [table["name"] for table in content["tables"]] == ["users", "user_memories", "memory_tags"]
    assert content["report"] == "../check"
    assert (sample.parent / "check" / "report.html").is_file()
    assert sum(group["rows"] for group in content["rejects"] if group["table"] == "users") == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--sqlite", "none.db"), 1, "none.db"),
        (("--sqlite", "empty.db"), 1, "empty.db"),
        (("--sqlite", "text.db"), 1, "text.db"),
        (("--expectations", "nowhere"), 1, "no folder nowhere"),
        (("--expectations", "suites"), 1, "suites/users.json, line 1, column 2"),
        (("--tables", "users,sessions"), 2, "the source has no table 'sessions'"),
        (("--tables", ","), 2, "name at least one table"),
        (("--assume-timezone", "Mars/Base"), 2, "'Mars/Base' is not a time zone"),
        (("--table", "users"), 2, "unrecognized arguments"),
    ],
)
def test_cannot_run(sample: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    (sample / "empty.db").touch()
    (sample / "text.db").write_text("id,name\n" * 1000)
    (sample / "suites").mkdir()
    (sample / "suites" / "users.json").write_text("{")
    run = validate(sample, *arguments)
    assert (run.returncode, run.stdout) == (code, "")
    assert message in run.stderr


def test_without_a_source_it_says_where_to_get_one(tmp_path: Path) -> None:
    run = validate(tmp_path)
    assert (run.returncode, run.stdout) == (1, "")
    assert "--sqlite PATH" in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_read_only_folder_and_expectations_of_ones_own(sample: Path) -> None:
    suites = sample / "suites"
    suites.mkdir()
    strict = {"type": "expect_column_values_to_be_null", "kwargs": {"column": "email"}}
    (suites / "users.json").write_text(json.dumps({"name": "users", "expectations": [strict]}))
    (sample / "data").chmod(0o500)
    try:
        run = validate(sample, "--expectations", "suites", "--json")
    finally:
        (sample / "data").chmod(0o700)
    assert run.returncode == 3
    content = json.loads(run.stdout)
    rejects = [(group["table"], group["column"], group["rows"]) for group in content["rejects"]]
    assert ("users", "email", 4) in rejects
    assert {group["stage"] for group in content["rejects"]} == {"validate", "load"}  # and children


def test_help_is_quick_and_names_every_exit_code(tmp_path: Path) -> None:
    run = validate(tmp_path, "--help")
    assert run.returncode == 0
    for code in ("0", "1", "2", "3", "130"):
        assert f"\n  {code} " in run.stdout
    for module in ("etl.run", "etl.validate"):
        code = f"import sys, {module} as m; m.build_parser().format_help(); sys.exit('pandas' in sys.modules)"
        subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
