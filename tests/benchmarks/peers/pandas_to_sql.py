"""pandas as a peer: read_sql, the casts without which PostgreSQL refuses the rows, to_sql with its default method.

python pandas_to_sql.py SQLITE URL TABLE…
"""

import json
import sqlite3
import sys

import pandas as pd
from sqlalchemy import create_engine

BOOLEANS = {
    "is_active",
    "enabled",
    "success",
    "acknowledged",
    "is_free",
    "is_featured",
    "is_verified",
    "is_shared",
}
DOCUMENTS = {"metadata", "keywords", "tags", "details", "data", "key_findings", "sources", "models"}
TIMES = {"timestamp", "last_login", "last_accessed", "last_synced"}
CHUNK_ROWS = 10_000


def main(sqlite: str, url: str, tables: list[str]) -> None:
    source = sqlite3.connect(f"file:{sqlite}?mode=ro", uri=True)
    engine = create_engine(url)
    for table in tables:
        with engine.begin() as connection:
            for chunk in pd.read_sql_query(f'SELECT * FROM "{table}"', source, chunksize=CHUNK_ROWS):
                convert(chunk).to_sql(table, connection, if_exists="append", index=False)


def convert(frame: pd.DataFrame) -> pd.DataFrame:
    for column in frame.columns:
        if column in BOOLEANS:
            frame[column] = frame[column].astype("boolean")
        elif column in DOCUMENTS:
            frame[column] = frame[column].map(as_json, na_action="ignore")
        elif column.endswith("_at") or column in TIMES:
            frame[column] = pd.to_datetime(frame[column], format="ISO8601", utc=True)
    return frame


def as_json(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
