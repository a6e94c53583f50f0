"""SQLAlchemy: DATETIME of six digits, Enum and Boolean with CHECKs, NUMERIC, JSON, Interval as a time since 1970, and
Alembic's table of versions."""

from datetime import datetime, timedelta

from support.orms.application import Application, Statement, hexadecimal, moment, refused, same

_SCHEMA = """
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE account (
	id INTEGER NOT NULL,
	email VARCHAR(255) NOT NULL,
	status VARCHAR(6) DEFAULT 'ACTIVE' NOT NULL,
	balance NUMERIC(12, 2),
	is_active BOOLEAN DEFAULT (1) NOT NULL,
	payload JSON,
	uid CHAR(32) NOT NULL,
	born DATE,
	opens TIME,
	duration DATETIME,
	ratio FLOAT,
	avatar BLOB,
	created_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT ck_account_status CHECK (status IN ('ACTIVE', 'CLOSED')),
	CHECK (is_active IN (0, 1)),
	CONSTRAINT uq_account_email UNIQUE (email)
);
CREATE INDEX ix_account_created_at ON account (created_at);
CREATE TABLE "order" (
	account_id INTEGER NOT NULL,
	number SMALLINT NOT NULL,
	total DECIMAL(10, 2) NOT NULL,
	discount DECIMAL(10, 2) DEFAULT '0' NOT NULL,
	net DECIMAL(10, 2) GENERATED ALWAYS AS (total - discount) STORED,
	note TEXT,
	PRIMARY KEY (account_id, number),
	CONSTRAINT ck_order_discount CHECK (discount >= 0 AND discount <= total),
	FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE CASCADE
);
"""


def _text(number: int) -> str:
    return moment(number).isoformat(sep=" ", timespec="microseconds")


def _interval(number: int) -> str:
    span = datetime(1970, 1, 1) + timedelta(hours=number, seconds=30)
    return span.isoformat(sep=" ", timespec="microseconds")


# A generated column takes no value, so these rows are not inserted by position.
_ORDERS = "\n".join(
    f'INSERT INTO "order" (account_id, number, total, discount, note) '
    f"VALUES ({k % 20 + 1}, {k}, {k + 5}, {k % 5}, 'n{k}');"
    for k in range(1, 31)
)

SQLALCHEMY = Application(
    "sqlalchemy",
    _SCHEMA,
    {
        "alembic_version": [(hexadecimal(5, 12),)],
        "account": [
            (
                k,
                f"a{k}@example.org",
                ("ACTIVE", "CLOSED")[k % 2],
                k + 0.25 if k % 3 else k,
                k % 2,
                f'{{"n": {k}, "x": null}}',
                hexadecimal(k),
                moment(-k).date().isoformat(),
                "08:15:00.000000",
                _interval(k) if k % 2 else None,
                k / 11,
                bytes([k] * 4) if k % 5 else None,
                _text(k),
            )
            for k in range(1, 21)
        ],
    },
    after=_ORDERS,
    selects=[
        *same(
            "SELECT account.id, account.email, account.status FROM account WHERE account.status = 'ACTIVE' "
            "ORDER BY account.id",
            'SELECT count(*) AS count_1 FROM "order" JOIN account ON account.id = "order".account_id '
            "WHERE account.balance > 5",
            'SELECT account_id, number, net FROM "order" ORDER BY account_id, number',
            "SELECT version_num FROM alembic_version",
        ),
        Statement(
            "SELECT email FROM account WHERE account.is_active = 1 ORDER BY email",
            "SELECT email FROM account WHERE account.is_active IS true ORDER BY email",
        ),
    ],
    inserts=same(
        f"INSERT INTO account (email, uid) VALUES ('new@example.org', '{hexadecimal(99)}')",
        'INSERT INTO "order" (account_id, number, total) VALUES (1, 999, 5)',
    ),
    violations=[
        refused("unique", "UPDATE account SET email = 'a2@example.org' WHERE id = 1"),
        refused("not null", "UPDATE account SET email = NULL WHERE id = 1"),
        refused("check", "UPDATE account SET status = 'OTHER' WHERE id = 1"),
        refused("check", 'UPDATE "order" SET discount = total + 1'),
        refused("foreign key", 'UPDATE "order" SET account_id = 999 WHERE number = 1'),
        refused("primary key", 'UPDATE "order" SET number = 21 WHERE number = 1'),
    ],
)
