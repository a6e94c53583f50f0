"""Prisma: DATETIME as milliseconds since 1970, cuid keys, camelCase names, JSONB texts, many-to-many tables."""

from datetime import UTC

from support.orms.application import Application, Statement, hexadecimal, moment, refused, same, uuid_text

_SCHEMA = """
CREATE TABLE "_prisma_migrations" ("id" TEXT PRIMARY KEY NOT NULL, "checksum" TEXT NOT NULL, "finished_at" DATETIME,
  "migration_name" TEXT NOT NULL, "logs" TEXT, "rolled_back_at" DATETIME,
  "started_at" DATETIME NOT NULL DEFAULT current_timestamp, "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0);
CREATE TABLE "User" ("id" TEXT NOT NULL PRIMARY KEY, "email" TEXT NOT NULL, "displayName" TEXT,
  "role" TEXT NOT NULL DEFAULT 'USER', "isActive" BOOLEAN NOT NULL DEFAULT true,
  "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" DATETIME NOT NULL);
CREATE UNIQUE INDEX "User_email_key" ON "User"("email");
CREATE TABLE "Post" ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "title" TEXT NOT NULL, "views" BIGINT NOT NULL,
  "price" DECIMAL NOT NULL, "ratio" REAL, "payload" JSONB, "raw" BLOB, "published" BOOLEAN NOT NULL DEFAULT false,
  "authorId" TEXT NOT NULL, "parentId" INTEGER,
  CONSTRAINT "Post_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES "User" ("id")
    ON DELETE RESTRICT ON UPDATE CASCADE,
  CONSTRAINT "Post_parentId_fkey" FOREIGN KEY ("parentId") REFERENCES "Post" ("id")
    ON DELETE SET NULL ON UPDATE CASCADE);
CREATE INDEX "Post_authorId_idx" ON "Post"("authorId");
CREATE TABLE "Category" ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "name" TEXT NOT NULL);
CREATE TABLE "_CategoryToPost" ("A" INTEGER NOT NULL, "B" INTEGER NOT NULL,
  CONSTRAINT "_CategoryToPost_A_fkey" FOREIGN KEY ("A") REFERENCES "Category" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT "_CategoryToPost_B_fkey" FOREIGN KEY ("B") REFERENCES "Post" ("id") ON DELETE CASCADE ON UPDATE CASCADE);
CREATE UNIQUE INDEX "_CategoryToPost_AB_unique" ON "_CategoryToPost"("A", "B");
CREATE INDEX "_CategoryToPost_B_index" ON "_CategoryToPost"("B");
"""


def _ms(number: int) -> int:
    return int(moment(number).replace(tzinfo=UTC, microsecond=0).timestamp()) * 1000 + number


def _cuid(number: int) -> str:
    return f"cl{hexadecimal(number, 23)}"


PRISMA = Application(
    "prisma",
    _SCHEMA,
    {
        "_prisma_migrations": [
            (uuid_text(k), hexadecimal(k) * 2, _ms(k), f"2024010{k}_init", None, None, _ms(k) - 5, 1) for k in range(3)
        ],
        "User": [
            (
                _cuid(k),
                f"u{k}@example.org",
                f"Name {k}" if k % 2 else None,
                ("USER", "ADMIN")[k % 2],
                k % 2,
                _ms(k),
                _ms(k),
            )
            for k in range(20)
        ],
        "Post": [
            (
                k,
                f"Post {k}",
                k * 2**40,
                k + 0.5 if k % 3 else k,
                k / 8,
                f'{{"n":{k},"deep":{{"list":[1,2.50]}}}}',
                bytes([k]) * 3 if k % 2 else None,
                k % 2,
                _cuid(k % 20),
                k - 1 if k % 5 == 0 else None,
            )
            for k in range(1, 31)
        ],
        "Category": [(k, f"Category {k}") for k in range(1, 6)],
        "_CategoryToPost": [(k % 5 + 1, k) for k in range(1, 31)],
    },
    selects=[
        *same(
            'SELECT id, email FROM "user" ORDER BY email',
            "SELECT title, views FROM post WHERE views > 1000 ORDER BY id",
            'SELECT p.title, u.email FROM post p JOIN "user" u ON u.id = p.authorId ORDER BY p.id LIMIT 7',
            "SELECT a, COUNT(b) FROM _categorytopost GROUP BY a ORDER BY a",
            "SELECT COUNT(*) FROM post WHERE parentId IS NULL",
        ),
        Statement(
            "SELECT id FROM post WHERE published = 1 ORDER BY id", "SELECT id FROM post WHERE published ORDER BY id"
        ),
    ],
    inserts=[
        Statement(
            f"INSERT INTO post (title, views, price, authorId) VALUES ('new', 0, 1, '{_cuid(1)}')",
        ),
        *same("INSERT INTO category (name) VALUES ('new')"),
    ],
    violations=[
        refused("unique", "UPDATE \"user\" SET email = 'u1@example.org' WHERE email = 'u2@example.org'"),
        refused("unique", "INSERT INTO _categorytopost (a, b) VALUES (2, 1)"),
        refused("not null", "UPDATE post SET title = NULL WHERE id = 1"),
        refused("foreign key", "UPDATE post SET authorId = 'nobody' WHERE id = 1"),
        refused("foreign key", f"DELETE FROM \"user\" WHERE id = '{_cuid(1)}'"),
        refused("primary key", "INSERT INTO category (id, name) VALUES (1, 'again')"),
    ],
)
