"""The comparison put to the test: a sample is loaded, damaged in every way that has a name, and compared.

Every damage must be found where it was done, by its name, as often as it was done, and nothing else may be found.
"""

import contextlib
import os
import secrets
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, text

from etl.core import defaults
from etl.core.difference_kinds import DifferenceKind
from etl.core.errors import TargetError
from etl.core.text import counted
from etl.embedded.server import EmbeddedServer
from etl.reporting.report import Report
from etl.runs.compare import run_comparison
from etl.runs.damages import SAMPLE_DAMAGES, Damage
from etl.runs.load import run_migration
from etl.runs.observer import Observer
from etl.runs.settings import CompareSettings, Settings
from etl.runs.typed_damages import TYPED_DAMAGES, source_statements, target_statements
from etl.sample.build import make_sample
from etl.target.url import make_engine, resolve

_EMBEDDED_DATABASE = "selftest"
DAMAGES: Sequence[Damage] = (*SAMPLE_DAMAGES, *TYPED_DAMAGES)


@dataclass(frozen=True)
class Check:
    """A damage, how many rows it was done to, and what the comparison made of it."""

    damage: str
    place: str
    expected_kind: DifferenceKind | None
    done: int
    found_kinds: tuple[str, ...]
    found: int

    @property
    def passed(self) -> bool:
        """Found by its name exactly as often as it was done, and it was done."""
        if self.expected_kind is None:
            return self.done > 0 and self.found == 0
        return self.done > 0 and self.found == self.done and self.found_kinds == (self.expected_kind,)


@dataclass(frozen=True)
class SelfTest:
    """The checks, and how many differences were found where nothing was damaged."""

    checks: tuple[Check, ...]
    found_elsewhere: int

    @property
    def passed(self) -> bool:
        """Whether everything was found and nothing else."""
        return all(check.passed for check in self.checks) and not self.found_elsewhere

    @property
    def exit_code(self) -> int:
        """0 or 3."""
        return 0 if self.passed else 3

    @property
    def sentence(self) -> str:
        """The outcome in words."""
        done = counted(sum(check.done for check in self.checks), "row")
        if self.passed:
            ways = counted(len(self.checks), "way")
            return f"✓ Self-test passed: {done} damaged in {ways}, each recognised, nothing else found."
        failed = sum(not check.passed for check in self.checks)
        elsewhere = counted(self.found_elsewhere, "difference")
        return (
            f"✗ Self-test FAILED: {failed} of {counted(len(self.checks), 'damage')} not recognised, "
            f"{elsewhere} found where nothing was damaged."
        )

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "passed": self.passed,
            "found_elsewhere": self.found_elsewhere,
            "checks": [
                {
                    "damage": check.damage,
                    "place": check.place,
                    "expected_kind": check.expected_kind,
                    "rows_damaged": check.done,
                    "found_kinds": list(check.found_kinds),
                    "rows_found": check.found,
                    "passed": check.passed,
                }
                for check in self.checks
            ],
        }


def run_self_test(pg: str | None = None, observer: Observer | None = None) -> SelfTest:
    """Loads, damages, compares and cleans up, in the target that `pg` or the environment names, else the embedded one.

    Needs a role that may create a schema there. Raises `EtlError` where that cannot be done.
    """
    with tempfile.TemporaryDirectory(prefix="etl-selftest-") as folder, _scratch_schema(pg) as url:
        source = Path(folder) / "sample.db"
        make_sample(source)
        _add_types(source, url)
        _load(source, url, Path(folder) / "load", observer)
        done = _damage(source, url)
        settings = CompareSettings(source=source, pg=url, report_folder=Path(folder) / "report")
        return _self_test_of(run_comparison(settings, observer), done)


@contextlib.contextmanager
def _scratch_schema(pg: str | None) -> Iterator[str]:
    """A new schema, as a URL that leads into it; it is dropped at the end whatever happens."""
    name = f"etl_selftest_{secrets.token_hex(6)}"
    with _server(pg) as url:
        engine = make_engine(url)
        with engine.begin() as connection:
            connection.execute(text(f'CREATE SCHEMA "{name}"'))
        try:
            inside = url.update_query_dict({"options": f"-csearch_path={name}"})
            yield inside.render_as_string(hide_password=False)
        finally:
            with engine.begin() as connection:
                connection.execute(text(f'DROP SCHEMA "{name}" CASCADE'))


@contextlib.contextmanager
def _server(pg: str | None) -> Iterator[URL]:
    url = resolve(pg, os.environ)
    if url is not None:
        yield url
        return
    with EmbeddedServer(defaults.SERVER_FOLDER) as server:
        yield server.ensure_database(_EMBEDDED_DATABASE)


def _add_types(source: Path, url: str) -> None:
    """Puts the types that the sample lacks beside it, in both databases."""
    with contextlib.closing(sqlite3.connect(source)) as connection, connection:
        for statement in source_statements():
            connection.execute(statement)
    with make_engine(resolve_given(url)).begin() as target:
        for statement in target_statements():
            target.exec_driver_sql(statement)


def _load(source: Path, url: str, folder: Path, observer: Observer | None) -> None:
    settings = Settings(source=source, pg=url, create_schema=True, validate=False, report_folder=folder)
    report = run_migration(settings, observer)
    if report.exit_code:
        raise TargetError(
            "The sample could not be loaded completely, so the self-test says nothing about the comparison."
        )


def _damage(source: Path, url: str) -> Mapping[Damage, int]:
    """Does all damages; returns how many rows each one met."""
    done = {}
    with contextlib.closing(sqlite3.connect(source)) as connection, connection:
        for damage in DAMAGES:
            if damage.in_source:
                done[damage] = connection.execute(damage.sql).rowcount
    with make_engine(resolve_given(url)).begin() as target:
        for damage in DAMAGES:
            if not damage.in_source:
                done[damage] = target.exec_driver_sql(damage.sql.replace("%", "%%")).rowcount
    return done


def resolve_given(url: str) -> URL:
    """The URL by itself, without the environment's."""
    found = resolve(url, {})
    if found is None:
        raise TargetError("A URL is needed.")
    return found


def _self_test_of(report: Report, done: Mapping[Damage, int]) -> SelfTest:
    totals = [total for total in report.difference_kinds if total.kind != DifferenceKind.NARROWED]
    checks = []
    for damage in DAMAGES:
        here = [total for total in totals if (total.table, total.column) == (damage.table, damage.column)]
        if damage.whole_column:
            here = [total for total in here if total.whole_column]
        checks.append(
            Check(
                damage=damage.words,
                place=f"{damage.table}.{damage.column}" if damage.column else damage.table,
                expected_kind=damage.kind,
                done=done[damage],
                found_kinds=tuple(dict.fromkeys(total.kind for total in here)),
                found=sum(total.rows for total in here),
            )
        )
    places = {(damage.table, damage.column) for damage in DAMAGES}
    elsewhere = sum(total.rows for total in totals if (total.table, total.column) not in places)
    return SelfTest(tuple(checks), elsewhere)
