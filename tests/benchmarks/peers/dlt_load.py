"""dlt as a peer: sql_database → postgres by pyarrow, into tables that it makes itself.

    python dlt_load.py SQLITE URL TABLE…

It carries no keys, and booleans and JSON only as what SQLite declares them to be.
"""

import os
import sys
import tempfile
from urllib.parse import quote

import dlt
from dlt.sources.sql_database import sql_database
from sqlalchemy import make_url


def main(sqlite: str, url: str, tables: list[str]) -> None:
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    source = sql_database(f"sqlite:///{sqlite}", table_names=tables, backend="pyarrow", chunk_size=50_000)
    target = make_url(url)
    credentials = {
        "database": target.database,
        "username": target.username,
        "password": target.password or "none",
        "host": target.host or quote(str(target.query["host"]), safe=""),  # libpq's way to name a socket's folder
        "port": int(target.port or target.query.get("port", 5432)),
    }
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bench", pipelines_dir=folder, destination=dlt.destinations.postgres(credentials), dataset_name="public"
        )
        pipeline.run(source, write_disposition="append").raise_on_failed_jobs()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
