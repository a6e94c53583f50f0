"""A load that creates its schema and is killed, or loses its connection, in the middle: nothing of it is left."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.database import Database
from support.shop_database import SHOP
from support.targets import query, state

import etl
from faults.faulted import striking, wait_until
from faults.proxy import Line, Point, Proxy
from faults.victim import Victim, running

POINTS = {
    "the first table": Point("CREATE TABLE"),
    "the last table": Point("CREATE TABLE", 8),
    "rows": Point('COPY "public"."order"'),
    "an index": Point("CREATE INDEX"),
    "the first foreign key": Point("ALTER TABLE .* FOREIGN KEY"),
    "the last foreign key": Point("ALTER TABLE .* FOREIGN KEY", 8),
    "a view": Point("CREATE VIEW", 2),
    "the comparison": Point(r"COPY \(SELECT", 2, answered=True),
}
_EVERYTHING = """
SELECT 'type', typname::text FROM pg_type t WHERE typnamespace = 'public'::regnamespace
UNION ALL SELECT 'relation', relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT 'schema', nspname::text FROM pg_namespace WHERE nspname !~ '^pg_'
ORDER BY 1, 2
"""


def kill(_: Line, victim: Victim) -> None:
    victim.send(signal.SIGKILL)


def cut(line: Line, _: Victim) -> None:
    line.cut()


CASES = [(name, strike, code) for name in POINTS for strike, code in ((kill, -signal.SIGKILL), (cut, 1))]


@pytest.mark.parametrize(("name", "strike", "code"), CASES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_nothing_is_left(
    database: Database, tmp_path: Path, name: str, strike: Callable[[Line, Victim], None], code: int
) -> None:
    source = SHOP.make(tmp_path / "shop.db")
    before, everything = state(database), query(database, _EVERYTHING)
    arguments = ("--sqlite", source, "--create-schema", "--skip-validation", "--report", "report")
    with (
        Proxy(database.url) as proxy,
        striking(proxy, POINTS[name], strike) as introduce,
        running("etl.run", *arguments, "--pg", proxy.url, folder=tmp_path / "killed") as victim,
    ):
        introduce(victim)
        assert victim.exit_code() == code, victim.err
    sessions = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    wait_until(lambda: not query(database, sessions + " AND backend_type = 'client backend'"), "a session is left")
    assert state(database) == before
    assert query(database, _EVERYTHING) == everything
    again = etl.migrate(source, database.url, create_schema=True, validate=False, report_folder=tmp_path / "again")
    assert (again.exit_code, again.total("loaded_rows")) == (0, again.total("source_rows"))
