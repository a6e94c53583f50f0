"""Diesel: TIMESTAMP texts, DATE and TIME, BOOLEAN, DOUBLE, BINARY, BIGINT; composite keys; triggers for updated_at."""

from support.orms.application import Application, Statement, moment, refused, same

_SCHEMA = """
CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL,
  run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE users (
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  username VARCHAR(64) NOT NULL UNIQUE,
  hair_color VARCHAR,
  height DOUBLE,
  verified BOOLEAN NOT NULL DEFAULT 0,
  born DATE,
  wakes TIME,
  token BINARY,
  created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMP
);
CREATE TABLE posts (
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  title TEXT NOT NULL CHECK (length(title) > 0),
  body TEXT NOT NULL DEFAULT '',
  hits BIGINT NOT NULL DEFAULT 0,
  published BOOLEAN NOT NULL DEFAULT 'f'
);
CREATE INDEX posts_by_user ON posts (user_id, id DESC);
CREATE TABLE followings (
  user_id INTEGER NOT NULL, followed_id INTEGER NOT NULL REFERENCES users (id), since SMALLINT,
  PRIMARY KEY (user_id, followed_id), FOREIGN KEY (user_id) REFERENCES users, CHECK (user_id <> followed_id)
) WITHOUT ROWID;
"""
_TRIGGER = """
CREATE TRIGGER users_updated AFTER UPDATE ON users FOR EACH ROW WHEN OLD.updated_at IS NEW.updated_at
BEGIN UPDATE users SET updated_at = CURRENT_TIMESTAMP WHERE id = NEW.id; END;
"""


def _text(number: int) -> str:
    """With the fraction's zeros left away, as chrono writes it."""
    return moment(number).isoformat(sep=" ") if number % 3 else moment(number).isoformat(sep=" ", timespec="seconds")


DIESEL = Application(
    "diesel",
    _SCHEMA,
    {
        "__diesel_schema_migrations": [(f"2024010{k}000000", _text(3 * k)) for k in range(1, 4)],
        "users": [
            (
                k,
                f"user_{k}",
                "brown" if k % 2 else None,
                150 + k / 8,
                k % 2,
                moment(-9 * k).date().isoformat(),
                f"0{k % 10}:30:00",
                bytes(range(k % 5)),
                _text(k),
                _text(k + 1) if k % 4 else None,
            )
            for k in range(1, 21)
        ],
        "posts": [(k, k % 20 + 1, f"Title {k}", "x" * k, k * 10**10, k % 2) for k in range(1, 31)],
        "followings": [(k, k % 20 + 1, 2000 + k) for k in range(1, 21)],
    },
    after=_TRIGGER,
    selects=[
        *same(
            "SELECT users.id, users.username, users.height FROM users WHERE hair_color = 'brown' ORDER BY id",
            "SELECT COUNT(*) FROM posts WHERE hits > 50000000000",
            "SELECT u.username, p.title FROM users u INNER JOIN posts p ON p.user_id = u.id ORDER BY p.id LIMIT 9",
            "SELECT user_id, followed_id FROM followings WHERE since >= 2010 ORDER BY user_id",
        ),
        Statement(
            "SELECT title FROM posts WHERE published = 1 ORDER BY id",
            "SELECT title FROM posts WHERE published = TRUE ORDER BY id",
        ),
    ],
    inserts=same(
        "INSERT INTO users (username) VALUES ('new')",
        "INSERT INTO posts (user_id, title) VALUES (1, 'new')",
    ),
    violations=[
        refused("unique", "UPDATE users SET username = 'user_2' WHERE id = 1"),
        refused("not null", "UPDATE users SET username = NULL WHERE id = 1"),
        refused("check", "UPDATE posts SET title = '' WHERE id = 1"),
        refused("check", "INSERT INTO followings (user_id, followed_id) VALUES (4, 4)"),
        refused("foreign key", "UPDATE posts SET user_id = 999 WHERE id = 1"),
        refused("foreign key", "INSERT INTO followings (user_id, followed_id) VALUES (999, 1)"),
        refused("primary key", "INSERT INTO followings (user_id, followed_id) VALUES (1, 2)"),
    ],
)
