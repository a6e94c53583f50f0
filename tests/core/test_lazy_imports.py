"""Postponed modules are executed when they are used, and not before; Great Expectations never uses them for us."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from etl.validation.worker import _NEVER_USED

PATH = os.pathsep.join([str(Path(__file__).parents[2]), str(Path(__file__).parents[1])])


def python(code: str, folder: Path) -> None:
    """Runs code in an interpreter of its own, which sees the modules in `folder` too."""
    path = os.pathsep.join([PATH, str(folder)])
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, text=True, capture_output=True
    )
    assert run.returncode == 0, run.stderr


def test_postponed_module_is_executed_on_first_use(tmp_path: Path) -> None:
    (tmp_path / "heavy.py").write_text("import light\nvalue = 7\n")
    (tmp_path / "light.py").write_text("")
    code = """
import gc, sys
before = list(sys.meta_path)
from etl.core.lazy_imports import postponed_imports
with postponed_imports("heavy", "not_there"):
    import heavy
    assert not gc.isenabled()
    try:
        import not_there
    except ModuleNotFoundError:
        pass
assert gc.isenabled() and gc.get_freeze_count() and sys.meta_path == before
assert "light" not in sys.modules
assert heavy.value == 7
assert "light" in sys.modules
"""
    python(code, tmp_path)


def test_everything_is_as_before_when_the_import_fails(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise ValueError")
    code = """
import gc, sys
from etl.core.lazy_imports import postponed_imports
before = list(sys.meta_path)
try:
    with postponed_imports():
        import broken
except ValueError:
    assert gc.isenabled() and sys.meta_path == before
    sys.exit()
sys.exit("no error")
"""
    python(code, tmp_path)


@pytest.mark.skipif(version("altair").startswith("4."), reason="altair 4 imports all of itself at once")
def test_checking_by_every_suite_needs_none_of_the_postponed_modules(tmp_path: Path) -> None:
    """So they are not loaded later either, in the middle of a load."""
    code = f"""
import sys
from etl.core.lazy_imports import postponed_imports
from etl.validation.checker import import_great_expectations
with postponed_imports(*{_NEVER_USED!r}):
    import_great_expectations()
from support.failing_rows import NOW, SUITES, bad_row, good_row
from validation.test_validator import frame_of
from etl.validation.frame import validate_frame
for suite in SUITES.values():
    rows = [good_row(suite), *(bad_row(suite, item) for item in suite.expectations if item.columns)]
    assert len(validate_frame(frame_of(rows, suite.columns), suite, now=NOW).results) == len(suite.expectations)
found = [name for name in ("altair.vegalite", "jsonschema.validators", "scipy.stats._stats_py") if name in sys.modules]
assert not found, found
import altair, jsonschema, scipy.stats
assert altair.Chart and jsonschema.validate and scipy.stats.entropy
"""
    python(code, tmp_path)
