"""Reports and git, with the real one."""

import shutil
import subprocess
from pathlib import Path

import pytest

from etl.files.checkout import keep_out_of_git, would_be_added

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")


def status(checkout: Path) -> str:
    command = ["git", "-C", str(checkout), "status", "--short", "--untracked-files=all"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def report_in(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "report.json").write_text("{}")
    return folder


def test_a_folder_in_a_checkout_would_be_added_unless_it_is_ignored(checkout: Path) -> None:
    plain, ignored = report_in(checkout / "out"), report_in(checkout / "deep" / "reports" / "run")
    (checkout / ".gitignore").write_text("reports/\n")
    assert would_be_added(plain)
    assert not would_be_added(ignored)
    assert "out/report.json" in status(checkout)
    assert "deep" not in status(checkout)


def test_what_is_kept_out_of_git_is_not_added(checkout: Path) -> None:
    run = report_in(checkout / "reports" / "run")
    keep_out_of_git(checkout / "reports")
    assert not would_be_added(run)
    assert status(checkout) == ""


def test_an_ignore_file_of_the_users_own_stays(checkout: Path) -> None:
    reports = report_in(checkout / "reports")
    (reports / ".gitignore").write_text("own\n")
    keep_out_of_git(reports)
    assert (reports / ".gitignore").read_text() == "own\n"


def test_outside_of_a_checkout_nothing_is_said(tmp_path: Path) -> None:
    assert not would_be_added(report_in(tmp_path / "out"))


def test_where_git_cannot_be_asked_the_folder_counts_as_one_to_be_added(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = report_in(checkout / "out")
    (checkout / ".gitignore").write_text("out/\n")
    monkeypatch.setenv("PATH", str(checkout))
    assert would_be_added(run)
