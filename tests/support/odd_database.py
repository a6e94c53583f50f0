"""The sample with a little of everything that goes wrong, small enough for a notebook; a statement for each trouble."""

from pathlib import Path

from etl.sample.build import make_sample
from support.sources import make_sqlite

ODD_TABLE = 'od$d <b>"t'
TROUBLES = (
    "PRAGMA ignore_check_constraints = ON",
    "UPDATE users SET is_active = 2 WHERE rowid = 2",
    "UPDATE users SET role = 'root', password_hash = 'cleartext-secret' WHERE rowid = 3",
    "UPDATE users SET password_hash = x'736563726574' WHERE rowid = 4",
    "UPDATE audit_logs SET details = '{' WHERE id < 4",
    """UPDATE audit_logs SET details = '{"a": 1, "b": [2]}' WHERE id BETWEEN 5 AND 20""",
    "UPDATE audit_logs SET timestamp = 'now' WHERE id = 30",
    "UPDATE audit_logs SET timestamp = '0001-01-01' WHERE id = 31",
    "UPDATE audit_logs SET timestamp = '9999-12-31' WHERE id = 32",
    "UPDATE audit_logs SET timestamp = 1700000000 WHERE id = 33",
    "UPDATE agent_feedback SET comment = x'0102' WHERE rowid = 1",
    "UPDATE agent_feedback SET comment = CAST(x'ff' AS TEXT) WHERE rowid = 2",
    "UPDATE api_usage SET requests = 'many $x$ \\frac' WHERE id = 1",
    "UPDATE api_usage SET requests = 9223372036854775807, avg_response_time = 9e999 WHERE id = 2",
    "UPDATE conversation_sessions SET user_id = 'nobody' WHERE rowid = 4",
    "ALTER TABLE users ADD COLUMN nickname TEXT",
    "UPDATE users SET nickname = 'x'",
    """CREATE TABLE "od$d <b>""t" (
        "a$b" "weird ty""pe", "select" BLOB, d DATETIME, "日本" INT, FOREIGN KEY (d) REFERENCES Users
    )""",
    """INSERT INTO "od$d <b>""t" VALUES (1, x'00', '2024-01-01', 3), (NULL, 2.5, 'never', 'x')""",
    "CREATE TABLE norowid (k TEXT PRIMARY KEY COLLATE NOCASE, v) WITHOUT ROWID",
    "INSERT INTO norowid VALUES ('a', 1), ('b', 'x')",
    "CREATE VIRTUAL TABLE search USING fts5(body)",
)


def make_odd(path: Path) -> Path:
    """Writes it to `path`."""
    make_sample(path)
    return make_sqlite(path, *TROUBLES)
