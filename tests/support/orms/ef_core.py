"""EF Core: GUIDs in upper case, decimals, DateTime with seven digits, DateTimeOffset and TimeSpan, all as TEXT;
booleans as INTEGER; constraints with names."""

from datetime import timedelta

from support.orms.application import Application, moment, refused, same, uuid_text

_SCHEMA = """
CREATE TABLE "__EFMigrationsHistory" ("MigrationId" TEXT NOT NULL CONSTRAINT "PK___EFMigrationsHistory" PRIMARY KEY,
  "ProductVersion" TEXT NOT NULL);
CREATE TABLE "Blogs" ("BlogId" INTEGER NOT NULL CONSTRAINT "PK_Blogs" PRIMARY KEY AUTOINCREMENT, "Url" TEXT NOT NULL,
  "Rating" REAL NOT NULL DEFAULT 3.0, "IsPublic" INTEGER NOT NULL DEFAULT 1, "OwnerKey" TEXT NULL);
CREATE UNIQUE INDEX "IX_Blogs_Url" ON "Blogs" ("Url");
CREATE TABLE "Orders" ("Id" TEXT NOT NULL CONSTRAINT "PK_Orders" PRIMARY KEY, "BlogId" INTEGER NOT NULL,
  "Total" TEXT NOT NULL, "PlacedAt" TEXT NOT NULL, "SeenAt" TEXT NULL, "Length" TEXT NULL, "Day" TEXT NULL,
  "Clock" TEXT NULL, "RowVersion" BLOB NULL, "Status" INTEGER NOT NULL DEFAULT 0, "Note" TEXT COLLATE NOCASE NULL,
  CONSTRAINT "AK_Orders_PlacedAt" UNIQUE ("PlacedAt"), CONSTRAINT "CK_Orders_Status" CHECK ("Status" BETWEEN 0 AND 4),
  CONSTRAINT "FK_Orders_Blogs_BlogId" FOREIGN KEY ("BlogId") REFERENCES "Blogs" ("BlogId") ON DELETE CASCADE);
CREATE INDEX "IX_Orders_BlogId" ON "Orders" ("BlogId");
CREATE INDEX "IX_Orders_Open" ON "Orders" ("PlacedAt" DESC) WHERE "Status" = 0;
CREATE TABLE "BlogTag" ("BlogId" INTEGER NOT NULL, "Tag" TEXT NOT NULL,
  CONSTRAINT "PK_BlogTag" PRIMARY KEY ("BlogId", "Tag"),
  CONSTRAINT "FK_BlogTag_Blogs_BlogId" FOREIGN KEY ("BlogId") REFERENCES "Blogs" ("BlogId") ON DELETE CASCADE);
"""


def _seven(number: int) -> str:
    """Up to seven digits, without the zeros at the end; the seventh is a zero, as a microsecond clock makes it."""
    return moment(number).isoformat(sep=" ").rstrip("0")


def _span(number: int) -> str:
    span = timedelta(hours=7 * number, minutes=30)
    days = f"{span.days}." if span.days else ""
    return f"{days}{span.seconds // 3600:02}:{span.seconds // 60 % 60:02}:{span.seconds % 60:02}"


EF_CORE = Application(
    "ef_core",
    _SCHEMA,
    {
        "__EFMigrationsHistory": [(f"2024010{k}000000_Step{k}", "8.0.1") for k in range(1, 4)],
        "Blogs": [(k, f"https://example.org/{k}", k / 4, k % 2, uuid_text(k).upper()) for k in range(1, 16)],
        "Orders": [
            (
                uuid_text(k).upper(),
                k % 15 + 1,
                f"{k}.{k % 100:02}",
                _seven(k),
                f"{_seven(k)}+02:00" if k % 2 else None,
                _span(k),
                moment(k).date().isoformat(),
                f"{k % 24:02}:15:00.5",
                k.to_bytes(8, "big"),
                k % 5,
                f"Note {k}",
            )
            for k in range(1, 31)
        ],
        "BlogTag": [(k % 15 + 1, f"Tag{k}") for k in range(1, 31)],
    },
    selects=same(
        "SELECT b.BlogId, b.Url, b.Rating FROM Blogs AS b WHERE b.Rating > 1.0 ORDER BY b.BlogId",
        "SELECT o.Total FROM Orders AS o WHERE o.Status = 0 ORDER BY o.Total",
        "SELECT b.Url, COUNT(*) FROM Blogs b INNER JOIN Orders o ON b.BlogId = o.BlogId GROUP BY b.Url ORDER BY b.Url",
        "SELECT Url FROM Blogs WHERE IsPublic = 1 ORDER BY BlogId",
        "SELECT COUNT(*) FROM BlogTag WHERE Tag LIKE 'Tag1%'",
    ),
    inserts=same("INSERT INTO Blogs (Url) VALUES ('https://example.org/new')"),
    violations=[
        refused("unique", "UPDATE Blogs SET Url = 'https://example.org/2' WHERE BlogId = 1"),
        refused("not null", "UPDATE Blogs SET Url = NULL WHERE BlogId = 1"),
        refused("check", "UPDATE Orders SET Status = 5 WHERE BlogId = 2"),
        refused("foreign key", "INSERT INTO BlogTag (BlogId, Tag) VALUES (999, 'x')"),
        refused("primary key", "INSERT INTO BlogTag (BlogId, Tag) VALUES (2, 'Tag1')"),
    ],
)
