"""GORM: backticks, `numeric` booleans, times with an offset, some of them with a space before it, soft deletion."""

from support.orms.application import Application, hexadecimal, moment, refused, same

_SCHEMA = """
CREATE TABLE `companies` (`id` integer PRIMARY KEY AUTOINCREMENT,`name` text,
  CONSTRAINT `uni_companies_name` UNIQUE (`name`));
CREATE TABLE `users` (`id` integer PRIMARY KEY AUTOINCREMENT,`created_at` datetime,`updated_at` datetime,
  `deleted_at` datetime,`name` text NOT NULL,`age` integer DEFAULT 18,`active` numeric DEFAULT true,`score` real,
  `company_id` integer,`uuid` text DEFAULT "none",`data` blob,`settings` json,
  CONSTRAINT `fk_users_company` FOREIGN KEY (`company_id`) REFERENCES `companies`(`id`)
    ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT `chk_users_age` CHECK (age >= 0));
CREATE INDEX `idx_users_deleted_at` ON `users`(`deleted_at`);
CREATE UNIQUE INDEX `idx_users_uuid` ON `users`(`uuid`);
CREATE TABLE `user_languages` (`user_id` integer,`language` text,PRIMARY KEY (`user_id`,`language`),
  CONSTRAINT `fk_user_languages_user` FOREIGN KEY (`user_id`) REFERENCES `users`(`id`));
CREATE UNIQUE INDEX `idx_active_names` ON `users`(`name`) WHERE deleted_at IS NULL;
"""


def _text(number: int) -> str:
    """With an offset, beside it or behind a space; Go leaves the fraction's zeros away."""
    written = moment(number).isoformat(sep=" ").rstrip("0")
    return written + ("+00:00", " +00:00", "+02:00")[number % 3]


GORM = Application(
    "gorm",
    _SCHEMA,
    {
        "companies": [(k, f"Company {k}") for k in range(1, 6)],
        "users": [
            (
                k,
                _text(k),
                _text(k + 1),
                _text(k + 2) if k % 5 == 0 else None,
                f"Name {k}",
                k + 20,
                k % 2,
                k / 3,
                k % 5 + 1 if k % 4 else None,
                hexadecimal(k),
                bytes([k, 200]),
                f'{{"k":{k}}}' if k % 2 else None,
            )
            for k in range(1, 31)
        ],
        "user_languages": [(k, ("en", "de")[k % 2]) for k in range(1, 31)],
    },
    selects=same(
        "SELECT id, name FROM users WHERE users.deleted_at IS NULL ORDER BY users.id LIMIT 10",
        "SELECT count(*) FROM users WHERE age > 30 AND users.deleted_at IS NULL",
        "SELECT c.name, count(*) FROM users u JOIN companies c ON c.id = u.company_id GROUP BY c.name ORDER BY c.name",
        "SELECT id FROM users WHERE active = 1 ORDER BY id",
        "SELECT score FROM users ORDER BY id",
    ),
    inserts=same(
        "INSERT INTO companies (name) VALUES ('new')",
        "INSERT INTO users (name, company_id) VALUES ('new', 1)",
    ),
    violations=[
        refused("unique", "UPDATE companies SET name = 'Company 2' WHERE id = 1"),
        refused("unique", "UPDATE users SET name = 'Name 2' WHERE id = 1"),
        refused("not null", "UPDATE users SET name = NULL WHERE id = 1"),
        refused("check", "UPDATE users SET age = -1 WHERE id = 1"),
        refused("foreign key", "UPDATE users SET company_id = 999 WHERE id = 1"),
        refused("primary key", "INSERT INTO user_languages (user_id, language) VALUES (1, 'de')"),
    ],
)
