"""Drizzle: times as integers of seconds and of milliseconds, booleans as integers, backticks; a migrations table whose
SERIAL key is no rowid and stays NULL."""

from datetime import UTC

from support.orms.application import Application, hexadecimal, moment, refused, same

_SCHEMA = """
CREATE TABLE "__drizzle_migrations" (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric);
CREATE TABLE `users` (`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL, `name` text NOT NULL, `email` text(255),
  `is_admin` integer DEFAULT false NOT NULL, `role` text DEFAULT 'user' NOT NULL, `meta` text,
  `created_at` integer DEFAULT (unixepoch()) NOT NULL,
  `updated_at` integer DEFAULT (cast((julianday('now') - 2440587.5)*86400000 as integer)) NOT NULL,
  `balance` numeric, `avatar` blob, CONSTRAINT "role_check" CHECK("users"."role" in ('user', 'admin')));
CREATE UNIQUE INDEX `users_email_unique` ON `users` (`email`);
CREATE TABLE `posts` (`id` text PRIMARY KEY NOT NULL, `author_id` integer NOT NULL, `title` text NOT NULL,
  `score` real DEFAULT 0.5, `created_at` text DEFAULT CURRENT_TIMESTAMP NOT NULL,
  FOREIGN KEY (`author_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade);
CREATE INDEX `title_idx` ON `posts` (lower("title"));
CREATE TABLE `posts_to_tags` (`post_id` text NOT NULL, `tag` text NOT NULL, PRIMARY KEY(`post_id`, `tag`),
  FOREIGN KEY (`post_id`) REFERENCES `posts`(`id`) ON UPDATE no action ON DELETE no action);
"""


def _seconds(number: int) -> int:
    return int(moment(number).replace(tzinfo=UTC).timestamp())


def _id(number: int) -> str:
    return hexadecimal(number, 21)


DRIZZLE = Application(
    "drizzle",
    _SCHEMA,
    {
        "__drizzle_migrations": [(None, hexadecimal(k) * 2, 1_700_000_000_000 + k) for k in range(3)],
        "users": [
            (
                k,
                f"Name {k}",
                f"u{k}@example.org" if k % 4 else None,
                k % 2,
                ("user", "admin")[k % 2],
                f'["x",{k}]',
                _seconds(k),
                _seconds(k) * 1000 + k,
                k if k % 2 else k + 0.75,
                bytes([k]) if k % 3 else None,
            )
            for k in range(1, 21)
        ],
        "posts": [
            (_id(k), k % 20 + 1, f"Title {k}", k / 16, moment(k).isoformat(sep=" ", timespec="seconds"))
            for k in range(30)
        ],
        "posts_to_tags": [(_id(k), f"tag{k % 4}") for k in range(30)],
    },
    selects=same(
        "select id, name from users where is_admin = 1 order by id",
        "select users.name, count(posts.id) from users left join posts on posts.author_id = users.id "
        "group by users.id, users.name order by users.id",
        "select created_at, updated_at from users where created_at > 1710000000 order by id",
        "select title from posts where score >= 0.5 order by id",
        "select count(*) from __drizzle_migrations",
    ),
    inserts=same(
        "INSERT INTO users (name) VALUES ('new')",
        "INSERT INTO posts (id, author_id, title) VALUES ('new', 1, 'New')",
    ),
    violations=[
        refused("unique", "UPDATE users SET email = 'u2@example.org' WHERE id = 1"),
        refused("not null", "UPDATE users SET name = NULL WHERE id = 1"),
        refused("check", "UPDATE users SET role = 'owner' WHERE id = 1"),
        refused("foreign key", "UPDATE posts SET author_id = 999 WHERE title = 'Title 1'"),
        refused("primary key", f"INSERT INTO posts_to_tags (post_id, tag) VALUES ('{_id(1)}', 'tag1')"),
    ],
)
