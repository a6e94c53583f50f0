"""Files that are ready to be copied, and the psql scripts that copy them: what remains when all other work is done.

`csv_script` goes into the schema as it stands. `limit_script` is the least that a load of these rows can cost: binary
files, with foreign keys and secondary indexes dropped before and rebuilt after, in one transaction.
"""

from collections.abc import Iterable
from pathlib import Path

from psycopg2 import sql

from etl.schema.unified import TABLE_NAMES
from etl.target.session import Session
from tests.benchmarks.cluster import EMPTY, LOADED, Cluster
from tests.benchmarks.measure import run

CSV, BINARY = "csv", "binary"

_FOREIGN_KEYS = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I;', conrelid::regclass, conname),
           format('ALTER TABLE %s ADD CONSTRAINT %I %s;', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace ORDER BY oid
"""
_INDEXES = """
    SELECT format('DROP INDEX %s;', indexrelid::regclass), pg_get_indexdef(indexrelid) || ';'
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE NOT indisunique AND relnamespace = 'public'::regnamespace ORDER BY indexrelid
"""
# Those of `etl.migrate`: the limit is to differ from the load in nothing but the work.
_SETTINGS = "SET work_mem = '64MB'; SET maintenance_work_mem = '256MB';"


def csv_script(cluster: Cluster, folder: Path) -> Path:
    """Write the loaded rows as CSV, and the script that copies them in the order of the foreign keys."""
    _write_files(cluster, folder, CSV)
    return _script(folder / "csv.sql", _copies(folder, CSV, "FROM"))


def limit_script(cluster: Cluster, folder: Path) -> Path:
    """Write the loaded rows as binary files, and the script that copies them and rebuilds what it dropped."""
    _write_files(cluster, folder, BINARY)
    with cluster.engine(EMPTY).connect() as connection:
        session = Session(connection)
        rows = session.rows(sql.SQL(_FOREIGN_KEYS)) + session.rows(sql.SQL(_INDEXES))
    drops, rebuilds = [drop for drop, _ in rows], [rebuild for _, rebuild in rows]
    copies = _copies(folder, BINARY, "FROM")
    return _script(folder / "limit.sql", [_SETTINGS, "BEGIN;", *drops, *copies, *rebuilds, "COMMIT;"])


def _write_files(cluster: Cluster, folder: Path, form: str) -> None:
    script = _script(folder / "write.sql", _copies(folder, form, "TO"))
    done = run([*cluster.psql(LOADED), "-f", str(script)])
    if done.exit_code:
        raise RuntimeError(f"The {form} files cannot be made:\n{done.messages}")


def _copies(folder: Path, form: str, direction: str) -> list[str]:
    # The order of the tables is one that satisfies every foreign key; a path in quotes doubles those that it holds.
    paths = {table: str(folder / f"{table}.{form}").replace("'", "''") for table in TABLE_NAMES}
    return [f"\\copy {table} {direction} '{path}' WITH (FORMAT {form})" for table, path in paths.items()]


def _script(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
