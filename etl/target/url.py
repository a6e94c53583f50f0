"""Which PostgreSQL is meant, how to show it, and how to connect to it.

Decides between `--pg`, `DATABASE_URL` and libpq's own variables, and turns a failed connection into one clear line.
No message and no displayed URL ever holds a password.
"""

import os
import re
from collections.abc import Mapping
from urllib.parse import unquote

from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from etl.concurrency.interruption import abandonable
from etl.core.errors import TargetError, UsageError
from etl.target.connect_errors import explain

DRIVER = "postgresql+psycopg2"
_SCHEMES = ("postgres", "postgresql", DRIVER)
_LIBPQ_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE", "PGSERVICEFILE")
_SECRET_PARAMETERS = ("password", "sslpassword")
_ACCEPTED = "postgresql://USER@HOST:PORT/DATABASE (also postgres:// and postgresql+psycopg2://)"


# --- which one -------------------------------------------------------------------------------------------------------


def resolve(pg: str | None, environ: Mapping[str, str]) -> URL | None:
    """The target that the user named: `pg` (the option `--pg`) before DATABASE_URL before libpq's PG* variables.

    None means that nothing is named and the embedded server is meant. A URL without host and database leaves every
    choice to libpq. Raises UsageError for a URL that is malformed or of another kind of database.
    """
    if pg is not None:
        return _parse(pg, origin="--pg")
    if environ.get("DATABASE_URL"):
        return _parse(environ["DATABASE_URL"], origin="DATABASE_URL")
    if any(environ.get(name) for name in _LIBPQ_VARIABLES):
        return URL.create(DRIVER)
    return None


def _parse(given: str, *, origin: str) -> URL:
    scheme, separator, rest = given.strip().partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z][\w+.-]*", scheme):
        raise UsageError(f"{origin} is not a URL. It should look like {_ACCEPTED}.")
    if scheme.lower() not in _SCHEMES:
        raise UsageError(f"{origin} names a {scheme}:// database; the target has to be {_ACCEPTED}.")
    if rest.partition("?")[0].count("@") > 1:
        raise UsageError(f"{origin} holds more than one @. Write an @ inside a name or password as %40.")
    return _with_socket_host(_make_url(rest, origin=origin))


def _make_url(rest: str, *, origin: str) -> URL:
    # Without `from None` a traceback would show the library's error, which may quote the URL and so the password.
    try:
        url = make_url(f"{DRIVER}://{rest}")
    except (ArgumentError, ValueError):
        raise UsageError(
            f"{origin} cannot be read as a URL (is the port a number?). It should look like {_ACCEPTED}."
        ) from None
    if url.port is not None and not 0 < url.port < 65536:
        raise UsageError(f"{origin} names port {url.port}, but a port lies between 1 and 65535.")
    return url


def _with_socket_host(url: URL) -> URL:
    """libpq's own spelling of a socket folder, postgresql://%2Frun%2Fpostgresql/db, as SQLAlchemy understands it."""
    host = unquote(url.host or "")
    if not host.startswith("/"):
        return url
    query = {**url.query, "host": host}
    if url.port is not None:
        query["port"] = str(url.port)
    return URL.create(DRIVER, url.username, url.password, database=url.database, query=query)


# --- showing it ------------------------------------------------------------------------------------------------------


def safe(url: URL) -> str:
    """The URL for people and files: without the driver's name and without any password."""
    bare = url.set(drivername="postgresql").difference_update_query(_SECRET_PARAMETERS)
    return bare._replace(username=url.username or None, password=None).render_as_string(hide_password=True)


# --- connecting ------------------------------------------------------------------------------------------------------


def make_engine(url: URL, *, connect_timeout: int = 10, keep_one: bool = False) -> Engine:
    """An engine whose errors show no row values; `connect_timeout` (seconds) gives way to the URL's.

    It has no pool; with `keep_one` it keeps one connection for its next use, until it is disposed of.
    """
    shown, secrets = _without_secret_parameters(url)
    pool = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": -1} if keep_one else {"poolclass": NullPool}
    return create_engine(
        shown,
        **pool,
        hide_parameters=True,
        connect_args={**_connect_arguments(url, connect_timeout=connect_timeout), **secrets},
    )


def _without_secret_parameters(url: URL) -> tuple[URL, dict[str, str]]:
    """The URL as an engine may show it, and what it must not: SQLAlchemy hides only the password in front of the @."""
    given = {name: url.query[name] for name in _SECRET_PARAMETERS if name in url.query}
    secrets = {name: value if isinstance(value, str) else value[-1] for name, value in given.items()}
    bare = url.difference_update_query(_SECRET_PARAMETERS)
    password = secrets.pop("password", None)  # as for libpq, the last one counts
    return (bare if password is None else bare.set(password=password)), secrets


def _connect_arguments(url: URL, *, connect_timeout: int) -> dict[str, str | int]:
    ours: dict[str, str | int] = {
        # libpq's "fallback" gives way to a name from the URL, PGAPPNAME or a service file.
        "fallback_application_name": "etl",
        "client_encoding": "UTF8",
        # A network that is gone is noticed: after a minute while we wait for an answer, after two while we send (longer
        # than a busy server takes to swallow what is under way).
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 120_000,
    }
    if "PGCONNECT_TIMEOUT" not in os.environ:
        ours["connect_timeout"] = connect_timeout
    return {name: value for name, value in ours.items() if name not in url.query}


def check_connection(engine: Engine) -> str:
    """Connect once and give the server's version, such as "18.4"; TargetError says why not, and what to do about it."""

    def ask() -> str:
        with engine.connect() as connection:
            return str(connection.scalar(text("SHOW server_version"))).partition(" ")[0]

    try:
        return abandonable(ask)
    except DBAPIError as error:
        raise connection_error(error, engine.url) from None  # its text may hold the connection string


def connection_error(error: DBAPIError, url: URL) -> TargetError:
    """A failed connection as one line without a password: where to, what went wrong, what to do about it."""
    return TargetError(f"Cannot connect to {safe(url)}: {_without_secrets(explain(str(error.orig)), url)}")


def _without_secrets(message: str, url: URL) -> str:
    for secret in (url.password, *(url.query.get(name) for name in _SECRET_PARAMETERS)):
        if isinstance(secret, str) and secret:
            message = message.replace(secret, "***")
    return message
