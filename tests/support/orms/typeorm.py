"""TypeORM: `varchar` keys with UUIDs, `datetime` texts by datetime('now'), enums as CHECKs, defaults in parentheses."""

from support.orms.application import Application, Statement, hexadecimal, moment, refused, same, uuid_text

_SCHEMA = """
CREATE TABLE "migrations" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "timestamp" bigint NOT NULL,
  "name" varchar NOT NULL);
CREATE TABLE "user" ("id" varchar PRIMARY KEY NOT NULL, "email" varchar(120) NOT NULL,
  "role" varchar CHECK( "role" IN ('admin','editor','it''s') ) NOT NULL DEFAULT ('editor'),
  "isActive" boolean NOT NULL DEFAULT (1), "profile" text, "tags" text, "balance" decimal(10,2) NOT NULL DEFAULT (0),
  "createdAt" datetime NOT NULL DEFAULT (datetime('now')), "deletedAt" datetime,
  CONSTRAINT "UQ_e12875dfb3b1d92d7d7c5377e22" UNIQUE ("email"));
CREATE TABLE "photo" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "url" varchar NOT NULL,
  "width" integer NOT NULL DEFAULT (0), "data" blob, "takenOn" date, "ownerId" varchar,
  CONSTRAINT "CHK_width" CHECK ("width" >= 0),
  CONSTRAINT "FK_4494006ff358f754d07df5ccc87" FOREIGN KEY ("ownerId") REFERENCES "user" ("id")
    ON DELETE CASCADE ON UPDATE NO ACTION);
CREATE INDEX "IDX_photo_owner" ON "photo" ("ownerId") ;
CREATE TABLE "photo_albums_album" ("photoId" integer NOT NULL, "album" varchar NOT NULL,
  PRIMARY KEY ("photoId", "album"));
CREATE VIEW "active_user" AS SELECT "id", "email" FROM "user" WHERE "isActive" = 1;
"""


def _text(number: int) -> str:
    """Some by SQLite's clock, some by JavaScript's."""
    return moment(number).isoformat(sep=" ", timespec="milliseconds" if number % 2 else "seconds")


TYPEORM = Application(
    "typeorm",
    _SCHEMA,
    {
        "migrations": [(k, 1_700_000_000_000 + k, f"Init{1_700_000_000_000 + k}") for k in range(1, 4)],
        "user": [
            (
                uuid_text(k),
                f"u{k}@example.org",
                ("admin", "editor", "it's")[k % 3],
                k % 2,
                f'{{"age":{k}}}',
                f"a,b{k}",
                k + 0.1 if k % 2 else k,
                _text(k),
                _text(k + 1) if k % 4 == 0 else None,
            )
            for k in range(20)
        ],
        "photo": [
            (
                k,
                f"/p/{hexadecimal(k, 8)}.jpg",
                k * 10,
                bytes([255, k]),
                moment(k).date().isoformat(),
                uuid_text(k % 20) if k % 5 else None,
            )
            for k in range(1, 31)
        ],
        "photo_albums_album": [(k, f"album {k % 3}") for k in range(1, 31)],
    },
    selects=[
        *same(
            'SELECT "email", "role" FROM "user" ORDER BY "email"',
            'SELECT p.url, p.width FROM "photo" p LEFT JOIN "user" u ON u.id = p.ownerId '
            "WHERE p.width BETWEEN 50 AND 200 ORDER BY p.id",
            "SELECT album, COUNT(*) FROM photo_albums_album GROUP BY album ORDER BY album",
            "SELECT email FROM active_user ORDER BY email",
        ),
        Statement(
            'SELECT COUNT(1) FROM "user" WHERE isActive = 1 AND deletedAt IS NULL',
            'SELECT COUNT(1) FROM "user" WHERE isActive AND deletedAt IS NULL',
        ),
    ],
    inserts=same(
        "INSERT INTO photo (url) VALUES ('/new.jpg')",
        f"INSERT INTO \"user\" (id, email) VALUES ('{uuid_text(99)}', 'new@example.org')",
    ),
    violations=[
        refused("check", "UPDATE \"user\" SET role = 'owner' WHERE email = 'u1@example.org'"),
        refused("check", "UPDATE photo SET width = -1 WHERE id = 1"),
        refused("unique", "UPDATE \"user\" SET email = 'u2@example.org' WHERE email = 'u1@example.org'"),
        refused("not null", "UPDATE photo SET url = NULL WHERE id = 1"),
        refused("foreign key", "UPDATE photo SET ownerId = 'nobody' WHERE id = 1"),
        refused("primary key", "INSERT INTO photo_albums_album (photoId, album) VALUES (1, 'album 1')"),
    ],
)
