"""Django: `bool`, `datetime` texts of six digits, decimals as numbers, UUIDs of 32 digits, durations in microseconds,
JSON_VALID checks, deferred foreign keys."""

from support.orms.application import Application, Statement, hexadecimal, moment, refused, same

_SCHEMA = """
CREATE TABLE "django_migrations" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "app" varchar(255) NOT NULL,
  "name" varchar(255) NOT NULL, "applied" datetime NOT NULL);
CREATE TABLE "django_content_type" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "app_label" varchar(100) NOT NULL,
  "model" varchar(100) NOT NULL);
CREATE UNIQUE INDEX "django_content_type_app_label_model_76bd3d3b_uniq" ON "django_content_type" ("app_label", "model");
CREATE TABLE "auth_user" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "password" varchar(128) NOT NULL,
  "last_login" datetime NULL, "is_superuser" bool NOT NULL, "username" varchar(150) NOT NULL UNIQUE,
  "email" varchar(254) NOT NULL, "is_active" bool NOT NULL, "date_joined" datetime NOT NULL);
CREATE TABLE "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL,
  "expire_date" datetime NOT NULL);
CREATE INDEX "django_session_expire_date_a5c62663" ON "django_session" ("expire_date");
CREATE TABLE "shop_product" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "uid" char(32) NOT NULL UNIQUE,
  "price" decimal NOT NULL, "attributes" text NOT NULL CHECK ((JSON_VALID("attributes") OR "attributes" IS NULL)),
  "stock" integer unsigned NOT NULL CHECK ("stock" >= 0), "lead_time" bigint NOT NULL, "released" date NULL,
  "opens" time NULL, "rating" real NULL, "photo" BLOB NULL,
  "owner_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT "shop_product_rating_range" CHECK (("rating" >= 0.0 AND "rating" <= 5.0)));
CREATE INDEX "shop_product_owner_id_5fd2b8f1" ON "shop_product" ("owner_id");
CREATE TABLE "shop_product_tags" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
  "product_id" bigint NOT NULL REFERENCES "shop_product" ("id") DEFERRABLE INITIALLY DEFERRED,
  "tag" varchar(20) NOT NULL);
CREATE UNIQUE INDEX "shop_product_tags_product_id_tag_b1fd7a3c_uniq" ON "shop_product_tags" ("product_id", "tag");
"""


def _text(number: int) -> str:
    written = moment(number).isoformat(sep=" ")
    return written if number % 5 else written.partition(".")[0]


DJANGO = Application(
    "django",
    _SCHEMA,
    {
        "django_migrations": [(k, "shop", f"000{k}_step", _text(k)) for k in range(1, 6)],
        "django_content_type": [(1, "auth", "user"), (2, "shop", "product")],
        "auth_user": [
            (
                k,
                f"pbkdf2_sha256$made-up${k}",
                _text(k) if k % 3 else None,
                int(k == 1),
                f"user{k}",
                "",
                k % 2,
                _text(k + 9),
            )
            for k in range(1, 21)
        ],
        "django_session": [(hexadecimal(k), f".eJx{k}", _text(k)) for k in range(8)],
        "shop_product": [
            (
                k,
                hexadecimal(k),
                k if k % 4 == 0 else k + 0.25,
                f'{{"size": {k}, "tags": ["a", "ä"]}}',
                k % 7,
                k * 86400000000 + 1,
                moment(k).date().isoformat() if k % 3 else None,
                "10:30:00" if k % 2 else None,
                k % 5 + 0.5 if k % 6 else None,
                bytes([k, 0, 255]) if k % 2 else None,
                k % 20 + 1,
            )
            for k in range(1, 31)
        ],
        "shop_product_tags": [(k, k % 30 + 1, f"tag{k}") for k in range(1, 41)],
    },
    selects=[
        *same(
            'SELECT COUNT(*) AS "__count" FROM "auth_user"',
            'SELECT "auth_user"."username" FROM "auth_user" ORDER BY "auth_user"."id" ASC LIMIT 5',
            'SELECT u.username, COUNT(p.id) FROM "auth_user" u LEFT OUTER JOIN "shop_product" p ON (p.owner_id = u.id) '
            "GROUP BY u.id, u.username HAVING COUNT(p.id) > 1 ORDER BY u.id",
            'SELECT "id", "uid", "stock", "lead_time" FROM "shop_product" WHERE "stock" >= 3 ORDER BY "id"',
            'SELECT "price" FROM "shop_product" WHERE "price" > 10.5 ORDER BY "id"',
        ),
        Statement(
            "SELECT username FROM auth_user WHERE is_active = 1 ORDER BY id",
            "SELECT username FROM auth_user WHERE is_active ORDER BY id",
        ),
    ],
    inserts=[
        Statement(
            "INSERT INTO auth_user (password, is_superuser, username, email, is_active, date_joined) "
            "VALUES ('x', 0, 'new', '', 1, '2025-01-01 00:00:00')",
            "INSERT INTO auth_user (password, is_superuser, username, email, is_active, date_joined) "
            "VALUES ('x', false, 'new', '', true, '2025-01-01 00:00:00+00')",
        ),
        *same("INSERT INTO shop_product_tags (product_id, tag) VALUES (1, 'new')"),
    ],
    violations=[
        refused("unique", "INSERT INTO shop_product_tags (product_id, tag) VALUES (2, 'tag1')"),
        refused("unique", "UPDATE auth_user SET username = 'user2' WHERE id = 1"),
        refused("not null", "UPDATE auth_user SET username = NULL WHERE id = 1"),
        refused("check", "UPDATE shop_product SET stock = -1 WHERE id = 1"),
        refused("check", "UPDATE shop_product SET rating = 5.5 WHERE id = 1"),
        refused("foreign key", "INSERT INTO shop_product_tags (product_id, tag) VALUES (999, 'x')"),
        refused("primary key", "INSERT INTO django_content_type (id, app_label, model) VALUES (1, 'x', 'y')"),
    ],
)
