"""DuckDB as a peer: attach both databases and INSERT INTO … SELECT, one transaction a table.

    python duckdb_insert.py SQLITE LIBPQ TABLE…

SQLite's columns are read as text and cast to the target's types: DuckDB would stop at the second format of times.
"""

import sys

import duckdb
from duckdb_extensions import import_extension

TARGET_COLUMNS = """
    SELECT column_name, data_type FROM duckdb_columns()
    WHERE database_name = 'target' AND schema_name = 'public' AND table_name = ? ORDER BY column_index
"""


def main(sqlite: str, libpq: str, tables: list[str]) -> None:
    connection = duckdb.connect()
    for extension in ("sqlite_scanner", "postgres_scanner"):
        import_extension(extension)  # out of its Python package, so that nothing is downloaded
        connection.execute(f"LOAD {extension}")
    connection.execute("SET sqlite_all_varchar = true")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"ATTACH {literal(sqlite)} AS source (TYPE sqlite, READ_ONLY)")
    connection.execute(f"ATTACH {literal(libpq)} AS target (TYPE postgres)")
    for table in tables:
        columns = connection.execute(TARGET_COLUMNS, [table]).fetchall()
        casts = ", ".join(f'"{name}"::{type_name}' for name, type_name in columns)
        connection.execute(f'INSERT INTO target.public."{table}" SELECT {casts} FROM source."{table}"')


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
