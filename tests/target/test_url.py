"""Which target is meant, how it is shown, and what a failed connection says; the passwords here must appear nowhere."""

import contextlib
import os
import socket
import threading
import traceback
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from support.database import Database

from etl.core.errors import TargetError, UsageError
from etl.target.url import check_connection, make_engine, resolve, safe

SECRET = "s3cr3t-pass"


# --- which one -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pg", "environ", "expected"),
    [
        (None, {}, None),
        (None, {"DATABASE_URL": "", "PGHOST": "", "HOME": "/root", "PGPASSWORD": "x"}, None),
        ("postgresql://u@a/one", {"DATABASE_URL": "postgresql://b/two", "PGHOST": "c"}, "postgresql://u@a/one"),
        (None, {"DATABASE_URL": "postgres://b/two", "PGHOST": "c"}, "postgresql://b/two"),
        (None, {"PGHOST": "c"}, "postgresql://"),
        (None, {"PGSERVICE": "live"}, "postgresql://"),
        (None, {"PGSERVICEFILE": "/x"}, "postgresql://"),
        (None, {"PGDATABASE": "d"}, "postgresql://"),
        (None, {"PGHOSTADDR": "1.2.3.4"}, "postgresql://"),
        (None, {"PGPORT": "5433"}, "postgresql://"),
        (None, {"PGUSER": "u"}, "postgresql://"),
    ],
)
def test_option_before_database_url_before_libpq_before_embedded(
    pg: str | None, environ: dict[str, str], expected: str | None
) -> None:
    url = resolve(pg, environ)
    assert (None if url is None else safe(url)) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgres://u:p%40ss@h:5433/d", ("u", "p@ss", "h", 5433, "d", {})),
        (" postgresql://h/d\n", (None, None, "h", None, "d", {})),
        ("PostgreSQL+psycopg2://h/d", (None, None, "h", None, "d", {})),
        ("postgresql:///d?host=/run/pg&port=5433", (None, None, None, None, "d", {"host": "/run/pg", "port": "5433"})),
        ("postgresql://u@%2Frun%2Fpg:5433/d", ("u", None, None, None, "d", {"host": "/run/pg", "port": "5433"})),
        ("postgresql://[::1]:5432/d", (None, None, "::1", 5432, "d", {})),
        ("postgresql://?service=live", (None, None, None, None, None, {"service": "live"})),
        (
            "postgresql://h/d?sslmode=require&options=-c%20search_path%3Dapp",
            (None, None, "h", None, "d", {"sslmode": "require", "options": "-c search_path=app"}),
        ),
    ],
)
def test_reads_every_spelling(given: str, expected: tuple[object, ...]) -> None:
    url = resolve(given, {})
    assert url.drivername == "postgresql+psycopg2"
    assert (url.username, url.password, url.host, url.port, url.database, dict(url.query)) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "--pg is not a URL"),
        ("localhost", "--pg is not a URL"),
        (f"host=h password={SECRET}", "--pg is not a URL"),
        (f"user:{SECRET}@h/d", "--pg is not a URL"),
        (f"mysql://u:{SECRET}@h/d", "names a mysql:// database; the target has to be postgresql://"),
        ("sqlite:///data/unified.db", "names a sqlite:// database"),
        (f"postgresql+asyncpg://u:{SECRET}@h/d", r"names a postgresql\+asyncpg:// database"),
        (f"postgresql://u:{SECRET}@h:port/d", r"is the port a number\?"),
        (f"postgresql://u:{SECRET}@h:70000/d", "names port 70000"),
        (f"postgresql://u:{SECRET}@h:0/d", "names port 0"),
        (f"postgresql://u:a@{SECRET}@h/d", "Write an @ inside a name or password as %40"),
        (f"postgresql://u:a@b/{SECRET}@h/d", "Write an @"),
    ],
)
def test_a_wrong_url_is_a_usage_error_without_the_password(given: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        resolve(given, {})
    assert caught.value.exit_code == 2
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_usage_error_names_where_the_url_came_from() -> None:
    with pytest.raises(UsageError, match=r"^DATABASE_URL names a sqlite:// database"):
        resolve(None, {"DATABASE_URL": "sqlite:///data/unified.db"})


# --- showing it ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (f"postgres://u:{SECRET}@h:5433/d?sslmode=require", "postgresql://u@h:5433/d?sslmode=require"),
        (f"postgresql://u@h/d?password={SECRET}", "postgresql://u@h/d"),
        (f"postgresql://h/d?password={SECRET}&password={SECRET}2", "postgresql://h/d"),
        (f"postgresql://h/d?sslpassword={SECRET}&passfile=/p", "postgresql://h/d?passfile=%2Fp"),
        (f"postgresql://:{SECRET}@h/d", "postgresql://h/d"),
    ],
)
def test_a_shown_url_has_no_password(given: str, shown: str) -> None:
    assert safe(resolve(given, {})) == shown


# --- connecting ------------------------------------------------------------------------------------------------------


def test_an_engine_connects_under_our_name_and_keeps_nothing(database: Database) -> None:
    engine = make_engine(resolve(database.url, {}))
    assert isinstance(engine.pool, NullPool)
    with engine.connect() as connection:
        assert connection.scalar(text("SHOW application_name")) == "etl"
        assert connection.scalar(text("SHOW client_encoding")) == "UTF8"
        parameters = connection.connection.driver_connection.get_dsn_parameters()
    assert (parameters["connect_timeout"], parameters["keepalives_idle"]) == ("10", "30")


def test_the_url_and_the_environment_have_the_last_word(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    url = resolve(database.url, {}).update_query_dict({"connect_timeout": "7", "application_name": "mine"})
    with make_engine(url).connect() as connection:
        assert connection.scalar(text("SHOW application_name")) == "mine"
        assert connection.connection.driver_connection.get_dsn_parameters()["connect_timeout"] == "7"
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "8")
    monkeypatch.setenv("PGAPPNAME", "theirs")
    with make_engine(resolve(database.url, {})).connect() as connection:
        assert connection.scalar(text("SHOW application_name")) == "theirs"
        assert connection.connection.driver_connection.get_dsn_parameters()["connect_timeout"] == "8"


def test_errors_show_no_row_values(database: Database) -> None:
    engine = database.engine()
    with pytest.raises(DBAPIError) as caught, engine.connect() as connection:
        connection.execute(text("SELECT 1 / (length(:value) - 11)"), {"value": SECRET})
    assert SECRET not in str(caught.value)


def test_libpqs_own_variables_are_enough(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    url = resolve(database.url, {})
    named = {
        "PGHOST": url.query.get("host", url.host),
        "PGPORT": url.query.get("port", str(url.port or 5432)),
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
    }
    for name, value in named.items():
        if value is not None:
            monkeypatch.setenv(name, value)
    assert check_connection(make_engine(resolve(None, os.environ))) == check_connection(database.engine())


# --- what a failed connection says -----------------------------------------------------------------------------------


@contextlib.contextmanager
def fake_server(reply: bytes | None) -> Iterator[int]:
    """The port of something that sends `reply` to everybody and hangs up; with None it says nothing at all."""
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            with contextlib.suppress(OSError):
                client, _ = listener.accept()
                with client:
                    client.recv(1024)
                    if reply is None:
                        done.wait(10)
                    else:
                        client.sendall(reply)

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.1)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            thread.join()


def refusal(code: str, message: str) -> bytes:
    """A server's ErrorResponse, as the protocol has it."""
    fields = f"SFATAL\0VFATAL\0C{code}\0M{message}\0\0".encode()
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


def failure(url: str) -> str:
    with pytest.raises(TargetError) as caught:
        check_connection(make_engine(resolve(url, {})))
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("reply", "options", "message"),
    [
        (refusal("57P03", "the database system is starting up"), "", "just starting or stopping"),
        (refusal("57P03", "the database system is shutting down"), "", "just starting or stopping"),
        (refusal("53300", "sorry, too many clients already"), "", "all connections of the server are taken"),
        (
            refusal("53300", "remaining connection slots are reserved for roles with the SUPERUSER attribute"),
            "",
            "all connections of the server are taken",
        ),
        (refusal("28P01", 'password authentication failed for user "u"'), "", 'user "u" was refused'),
        (refusal("28000", 'Peer authentication failed for user "u"'), "", 'only the system\'s own user "u" gets in'),
        (
            refusal("28000", 'no pg_hba.conf entry for host "1.2.3.4", user "u", database "d", no encryption'),
            "",
            'pg_hba.conf has no entry for host "1.2.3.4", user "u"',
        ),
        (refusal("28000", 'role "u" does not exist'), "", 'there is no user "u"'),
        (refusal("3D000", 'database "d" does not exist'), "", 'there is no database "d"'),
        (refusal("42501", 'permission denied for database "d"'), "", 'may not connect to database "d"'),
        (refusal("28P01", f"Passwort {SECRET} falsch"), "", "FATAL:  Passwort *** falsch"),
        (b"HTTP/1.1 400 Bad Request\r\n", "sslmode=prefer", "no PostgreSQL"),
        (b"N", "sslmode=require", "the server has no SSL"),
        (b"", "", "the server closed the connection"),
        (None, "connect_timeout=2", "no answer"),
    ],
)
def test_each_refusal_becomes_one_line_with_a_remedy(reply: bytes | None, options: str, message: str) -> None:
    with fake_server(reply) as port:
        options = "&".join(filter(None, ["sslmode=disable" if "sslmode" not in options else "", options]))
        said = failure(f"postgresql://u:{SECRET}@127.0.0.1:{port}/d?{options}")
    assert said.startswith(f"Cannot connect to postgresql://u@127.0.0.1:{port}/d")
    assert message in said


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"postgresql://u:{SECRET}@127.0.0.1:1/d", "nothing listens at 127.0.0.1:1; is the server running"),
        (f"postgresql://u:{SECRET}@localhost:1/d", "nothing listens at localhost:1; is the server running"),
        (f"postgresql://u:{SECRET}@nowhere.invalid/d", 'there is no host "nowhere.invalid"'),
        (f"postgresql://u:{SECRET}@%2Fnowhere/d", "no server listens on the socket /nowhere/.s.PGSQL.5432"),
        ("postgresql://?service=nowhere", 'there is no service "nowhere"'),
        (f"postgresql://u:{SECRET}@h/d?sslmode=odd", 'invalid sslmode value: "odd"'),
        (f"postgresql://u:{SECRET}@h/d?colour=red", 'invalid connection option "colour"'),
    ],
)
def test_servers_that_are_not_there(url: str, message: str) -> None:
    assert message in failure(url)


def test_a_database_that_is_not_there(database: Database) -> None:
    url = resolve(database.url, {}).set(database="never_made")
    said = failure(url.render_as_string(hide_password=False))
    assert 'there is no database "never_made" on the server; create it (createdb), or name another one' in said


def test_a_good_connection_gives_the_version(database: Database) -> None:
    with database.engine().connect() as connection:
        assert connection.scalar(text("SHOW server_version")).startswith(check_connection(database.engine()))


def test_a_socket_without_a_server(database: Database) -> None:
    if database.engine().url.host is not None:
        pytest.skip("the server is not reached through a socket")
    said = failure(database.engine().url.update_query_dict({"port": "1"}).render_as_string(hide_password=False))
    assert "no server listens on the socket /" in said
