"""Rails: `datetime(6)` texts with a fraction, booleans as 0 and 1 and, from older versions, 't' and 'f', json."""

from support.orms.application import Application, Statement, hexadecimal, moment, refused, same

_SCHEMA = """
CREATE TABLE "schema_migrations" ("version" varchar NOT NULL PRIMARY KEY);
CREATE TABLE "ar_internal_metadata" ("key" varchar NOT NULL PRIMARY KEY, "value" varchar,
  "created_at" datetime(6) NOT NULL, "updated_at" datetime(6) NOT NULL);
CREATE TABLE "users" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "email" varchar DEFAULT '' NOT NULL,
  "admin" boolean DEFAULT 0 NOT NULL, "score" decimal(10,2) DEFAULT '0.0', "settings" json DEFAULT '{}',
  "sign_in_count" integer DEFAULT 0 NOT NULL, "born_on" date, "created_at" datetime(6) NOT NULL,
  "updated_at" datetime(6) NOT NULL);
CREATE UNIQUE INDEX "index_users_on_email" ON "users" ("email");
CREATE TABLE "posts" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "user_id" integer NOT NULL, "title" varchar(80),
  "body" text, "published" boolean DEFAULT 't', "slug" varchar NOT NULL, "lock_version" bigint DEFAULT 0,
  "published_at" datetime, "created_at" datetime(6) NOT NULL,
  CONSTRAINT "fk_rails_5b5ddfd518" FOREIGN KEY ("user_id") REFERENCES "users" ("id") ON DELETE CASCADE);
CREATE INDEX "index_posts_on_user_id" ON "posts" ("user_id");
CREATE UNIQUE INDEX "index_posts_on_slug_published" ON "posts" ("slug") WHERE published_at IS NOT NULL;
CREATE INDEX "index_posts_on_lower_title" ON "posts" (lower("title"));
CREATE TABLE "active_storage_blobs" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "key" varchar NOT NULL,
  "filename" varchar NOT NULL, "metadata" text, "byte_size" bigint NOT NULL, "checksum" varchar,
  "created_at" datetime(6) NOT NULL, CONSTRAINT chk_rails_size CHECK (byte_size >= 0));
CREATE UNIQUE INDEX "index_active_storage_blobs_on_key" ON "active_storage_blobs" ("key");
CREATE TABLE "taggings" ("post_id" integer NOT NULL, "tag" varchar NOT NULL);
CREATE UNIQUE INDEX "index_taggings_on_post_id_and_tag" ON "taggings" ("post_id", "tag");
"""


def _text(number: int) -> str:
    return moment(number).isoformat(sep=" ", timespec="microseconds")


RAILS = Application(
    "rails",
    _SCHEMA,
    {
        "schema_migrations": [(f"2024010{k}000000",) for k in range(1, 6)],
        "ar_internal_metadata": [("environment", "production", _text(0), _text(0))],
        "users": [
            (
                k,
                f"person{k}@example.org",
                k % 2,
                k + 0.5 if k % 3 else None,
                f'{{"theme": "dark", "size": {k}}}',
                k,
                moment(-k).date().isoformat(),
                _text(k),
                _text(k + 1),
            )
            for k in range(1, 21)
        ],
        "posts": [
            (
                k,
                k % 20 + 1,
                f"Title Ä{k}",
                f"Body\nof {k}" if k % 4 else None,
                "tf"[k % 2],
                f"slug-{k}",
                k * 2**33,
                _text(k) if k % 3 else None,
                _text(k),
            )
            for k in range(1, 31)
        ],
        "active_storage_blobs": [
            (k, hexadecimal(k, 28), f"file {k}.png", '{"identified":true}', k * 1000, None, _text(k))
            for k in range(1, 11)
        ],
        "taggings": [(k % 10 + 1, f"tag{k}") for k in range(25)],
    },
    selects=[
        *same(
            'SELECT "users"."email" FROM "users" WHERE "users"."id" = 3 LIMIT 1',
            'SELECT COUNT(*) FROM "posts" INNER JOIN "users" ON "users"."id" = "posts"."user_id" WHERE users.score > 5',
            'SELECT "posts"."user_id", COUNT(*) AS count_all FROM "posts" GROUP BY "posts"."user_id" ORDER BY 1',
            "SELECT version FROM schema_migrations ORDER BY version ASC",
            "SELECT post_id, tag FROM taggings ORDER BY post_id, tag",
        ),
        Statement(
            "SELECT id FROM posts WHERE published = 't' ORDER BY id",
            "SELECT id FROM posts WHERE published ORDER BY id",
        ),
    ],
    inserts=[
        Statement(
            "INSERT INTO users (email, created_at, updated_at) VALUES ('new@example.org', '2025-01-01', '2025-01-01')",
        ),
        *same("INSERT INTO posts (user_id, slug, created_at) VALUES (1, 'new', '2025-01-01 10:00:00.000001')"),
    ],
    violations=[
        refused("unique", "UPDATE users SET email = 'person2@example.org' WHERE id = 1"),
        refused("unique", "UPDATE posts SET slug = 'slug-1', published_at = '2025-01-01' WHERE id = 2"),
        refused("not null", "UPDATE posts SET slug = NULL WHERE id = 1"),
        refused("foreign key", "UPDATE posts SET user_id = 999 WHERE id = 1"),
        refused("check", "UPDATE active_storage_blobs SET byte_size = -1 WHERE id = 1"),
        refused("primary key", "INSERT INTO schema_migrations (version) VALUES ('20240101000000')"),
    ],
)
