"""Peewee: INTEGER booleans, DECIMAL(10, 5) and DATETIME texts, UUIDs of 32 digits, TimestampField as seconds."""

from datetime import UTC

from support.orms.application import Application, hexadecimal, moment, refused, same

_SCHEMA = """
CREATE TABLE "migratehistory" ("id" INTEGER NOT NULL PRIMARY KEY, "name" VARCHAR(255) NOT NULL,
  "migrated_at" DATETIME NOT NULL);
CREATE TABLE "user" ("id" INTEGER NOT NULL PRIMARY KEY, "username" VARCHAR(255) NOT NULL, "is_admin" INTEGER NOT NULL,
  "join_date" DATETIME NOT NULL, "birthday" DATE, "alarm" TIME, "balance" DECIMAL(10, 5) NOT NULL, "ratio" REAL,
  "token" TEXT NOT NULL, "seen" INTEGER NOT NULL, "image" BLOB, "flags" INTEGER DEFAULT 0);
CREATE UNIQUE INDEX "user_username" ON "user" ("username");
CREATE UNIQUE INDEX "user_token" ON "user" ("token");
CREATE TABLE "tweet" ("id" INTEGER NOT NULL PRIMARY KEY, "user_id" INTEGER NOT NULL, "content" TEXT NOT NULL,
  "created" DATETIME NOT NULL, "is_published" INTEGER NOT NULL,
  FOREIGN KEY ("user_id") REFERENCES "user" ("id") ON DELETE CASCADE, CHECK (length(content) <= 280));
CREATE INDEX "tweet_user_id" ON "tweet" ("user_id");
CREATE TABLE "relationship" ("from_id" INTEGER NOT NULL, "to_id" INTEGER NOT NULL, PRIMARY KEY ("from_id", "to_id"),
  FOREIGN KEY ("from_id") REFERENCES "user" ("id"), FOREIGN KEY ("to_id") REFERENCES "user" ("id")) WITHOUT ROWID;
"""


def _text(number: int) -> str:
    """As str() of a datetime: without a fraction where there is none."""
    return str(moment(number) if number % 4 else moment(number).replace(microsecond=0))


PEEWEE = Application(
    "peewee",
    _SCHEMA,
    {
        "migratehistory": [(k, f"00{k}_step", _text(k)) for k in range(1, 4)],
        "user": [
            (
                k,
                f"user{k}",
                k % 2,
                _text(k),
                moment(-k).date().isoformat() if k % 3 else None,
                f"{k % 24:02}:00:00.5",
                k + 0.12345 if k % 2 else k,
                k / 9,
                hexadecimal(k),
                int(moment(k).replace(tzinfo=UTC).timestamp()),
                bytes([0, k]) if k % 4 else None,
                k * 4,
            )
            for k in range(1, 21)
        ],
        "tweet": [(k, k % 20 + 1, f"It's tweet {k}", _text(k), k % 2) for k in range(1, 41)],
        "relationship": [(k, k % 20 + 1) for k in range(1, 21)],
    },
    selects=same(
        'SELECT "t1"."id", "t1"."username" FROM "user" AS "t1" WHERE ("t1"."is_admin" = 1) ORDER BY "t1"."username"',
        'SELECT "t1"."username", COUNT("t2"."id") AS "ct" FROM "user" AS "t1" LEFT OUTER JOIN "tweet" AS "t2" '
        'ON ("t2"."user_id" = "t1"."id") GROUP BY "t1"."username" ORDER BY "t1"."username"',
        'SELECT "content" FROM "tweet" WHERE "id" IN (1, 3, 5) ORDER BY "id"',
        'SELECT "seen" FROM "user" WHERE "seen" > 1710000000 ORDER BY "id"',
    ),
    inserts=same(
        'INSERT INTO "tweet" ("user_id", "content", "created", "is_published") '
        "VALUES (1, 'new', '2025-01-01 00:00:00', 1)"
    ),
    violations=[
        refused("unique", "UPDATE \"user\" SET username = 'user2' WHERE id = 1"),
        refused("not null", 'UPDATE "user" SET username = NULL WHERE id = 1'),
        refused("check", "UPDATE tweet SET content = replace('" + "x" * 99 + "', 'x', 'xxx') WHERE id = 1"),
        refused("foreign key", "UPDATE tweet SET user_id = 999 WHERE id = 1"),
        refused("primary key", "INSERT INTO relationship (from_id, to_id) VALUES (1, 2)"),
    ],
)
