"""What a hostile source, suite, folder or neighbour cannot do: inject, see a password, have files written elsewhere.

More of the same: passwords in messages (test_target_url.py, test_run.py), each page with hostile texts
(test_report_html.py, test_report_markdown.py), who gets into the embedded server (test_embedded.py).
"""

import contextlib
import dataclasses
import json
import os
import re
import socket
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path

import psutil
import pytest
from sqlalchemy import make_url
from support.database import Database
from support.loads import rejects
from support.processes import processes_in
from support.sources import make_sqlite
from support.targets import execute, query, state

import etl
from etl.core.errors import CannotRun, EtlError, SuiteError, UsageError
from etl.core.redaction import with_controls_escaped
from etl.embedded.server import EmbeddedServer
from etl.files.private_files import PrivateFolder
from etl.reporting.report import Report
from etl.runs.settings import CompareSettings, Settings
from etl.target.url import check_connection, make_engine, resolve
from etl.validation.process import ValidationProcess
from etl.validation.suites import load_suite

ROOT = Path(__file__).parents[2]
SECRET = "s3cr3t-pass"

# -- a hostile source ---------------------------------------------------------------------------------------------

# Each breaks out of something: an identifier, a string, a dollar quote, a parameter mark, a page, a table cell, a line.
HOSTILE = {
    "sql": """x"; DROP TABLE witness; --""",
    "string": """x'); DELETE FROM witness; --""",
    "dollar": """$$; DELETE FROM witness; $$""",
    "format": """%s %(x)s {0} {x} %%""",
    "html": """<img src=x onerror=alert(1)>""",
    "attribute": """" onmouseover="alert(1)""",
    "script": """</script><script>alert(1)</script>""",
    "markdown": """| [x](javascript:alert(1)) `` <b>""",
    "terminal": """\x1b]0;owned\x07\x1b[2J\x9b31m""",
    "bidi": """\u202eabc\u2066""",
    "formula": """=HYPERLINK("http://x","y")""",
    "path": """../../x/.y""",
}
VALUE = "\n".join(HOSTILE.values())
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # all but tab and line feed


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def fitting(name: str) -> str:
    """As PostgreSQL keeps it: 63 bytes."""
    return name.encode()[:63].decode(errors="ignore")


class Hostile:
    """A source whose table and columns bear one hostile name, whose values are all of them, and a target for it."""

    def __init__(self, folder: Path, database: Database, name: str) -> None:
        self.name = fitting(name)
        self.database = database
        table, column, extra = quoted(self.name), quoted(f"c {name}"[:60]), quoted(f"e {name}"[:60])
        make_sqlite(
            folder / "a.db",
            f'CREATE TABLE {table} (id INTEGER PRIMARY KEY, {column} text, n, {extra} "text\'); DROP TABLE witness")',
        )
        self.source = folder / "a.db"
        self._insert(table)
        execute(
            database,
            "CREATE TABLE witness AS SELECT 1 AS one",
            f"CREATE TABLE {table} (id serial PRIMARY KEY, {column} text UNIQUE, n integer)",
        )

    def _insert(self, table: str) -> None:
        import sqlite3

        with contextlib.closing(sqlite3.connect(self.source)) as connection:
            rows = [(1, VALUE, 1, VALUE), (2, "good", VALUE, VALUE), (3, VALUE, 3, None), (4, "fine", 4, None)]
            connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?)", rows)
            connection.commit()


def command(module: str, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PG") and name != "DATABASE_URL"}
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore", "-m", module, *map(str, arguments)],
        env={**kept, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_names_and_values_are_only_names_and_values(database: Database, tmp_path: Path, kind: str) -> None:
    hostile = Hostile(tmp_path, database, HOSTILE[kind])
    validated = kind in ("sql", "html")  # which takes seconds
    report = etl.migrate(
        hostile.source, database.url, extra_columns="add", validate=validated, report_folder=tmp_path / "out"
    )
    (table,) = [item for item in report.tables if item.name == hostile.name]
    assert (table.loaded_rows, table.rejected_rows, table.unaccounted_rows, table.matched_rows) == (2, 2, 0, 2)
    assert query(database, "SELECT * FROM witness") == [(1,)]
    rows = query(database, f"SELECT * FROM {quoted(hostile.name)} ORDER BY id")
    assert rows == [(1, VALUE, 1, VALUE), (4, "fine", 4, None)]
    assert {line["row_number"] for line in rejects(report, hostile.name)} == {2, 3}
    assert [sequence.next_value for sequence in report.sequences] == [5]
    inside = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")}
    assert inside == {"a.db", "out"}
    for page in (report._repr_html_(), (tmp_path / "out" / "report.html").read_text()):
        assert foreign_markup(page) == []
    for written in ("report.html", "report.md", "report.json"):
        assert not FORBIDDEN.search((tmp_path / "out" / written).read_text()), written


def test_nothing_of_them_reaches_the_terminal(database: Database, tmp_path: Path) -> None:
    hostile = Hostile(tmp_path, database, HOSTILE["terminal"] + HOSTILE["bidi"])
    before = state(database)
    options = ["--sqlite", hostile.source, "--pg", database.url, "--report", tmp_path / "out", "--skip-validation"]
    stopped = command("etl.run", *options, "-v")
    assert stopped.returncode == 1
    assert "source has columns with values that the target lacks" in stopped.stderr
    assert state(database) == before
    loaded = command("etl.run", *options, "--extra-columns", "drop", "-v", "--json")
    compared = command("etl.reconcile", *options[:-1], "-v")
    judged = command("etl.validate", "--sqlite", hostile.source)
    for done in (stopped, loaded, compared, judged):
        assert "Traceback" not in done.stderr
        assert not FORBIDDEN.search(done.stdout + done.stderr), done.args
    assert json.loads(loaded.stdout)["tables"]


def test_escapes_change_nothing_about_a_json_document() -> None:
    document = json.dumps({"a\u202e": "\x7f\x9b\u2028 ü €"}, ensure_ascii=False)
    assert json.loads(with_controls_escaped(document.encode())) == json.loads(document)
    assert not FORBIDDEN.search(with_controls_escaped(document.encode()).decode())


class Markup(HTMLParser):
    """Gathers tags and attributes through which a page could do something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("img", "iframe", "object", "embed", "form", "base", "meta") and "http-equiv" not in dict(attrs):
            self.found += [tag] if tag != "meta" or "refresh" in str(attrs) else []
        for name, text in attrs:
            if name.startswith("on") or (text or "").strip().lower().startswith(("javascript:", "data:", "http")):
                self.found.append(f"{tag} {name}={text}")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script" and "alert(1)" in data:
            self.found.append("script")


def foreign_markup(page: str) -> list[str]:
    parser = Markup()
    parser.feed(page)
    return parser.found


def test_the_markup_check_finds_what_it_is_for() -> None:
    page = "<p onclick=x><img src=y><a href=' javascript:z'>b</a><script>alert(1)</script>"
    assert foreign_markup(page) == ["p onclick=x", "img", "a href= javascript:z", "script"]


@pytest.mark.parametrize("kind", ["html", "attribute", "script"])
def test_displays_of_a_notebook_hold_texts_only(database: Database, tmp_path: Path, kind: str) -> None:
    hostile = Hostile(tmp_path, database, HOSTILE[kind])
    report = etl.migrate(
        hostile.source, database.url, extra_columns="drop", validate=False, report_folder=tmp_path / "out"
    )
    frame = etl.read_table(hostile.source, hostile.name)
    displayed = [
        report,
        etl.plan(hostile.source, database.url),
        etl.profile(hostile.source),
        etl.read_rejects(report, hostile.name),
        etl.read_differences(report),
        report.frames.rejects,
        frame,
    ]
    for shown in displayed:
        assert foreign_markup(shown._repr_html_()) == [], type(shown)


# -- passwords ----------------------------------------------------------------------------------------------------

WITH_PASSWORD = [
    f"postgresql://u:{SECRET}@h/d",
    f"postgresql://u@h/d?password={SECRET}",
    f"postgresql://u@h/d?sslpassword={SECRET}&sslmode=require",
    f"postgresql://u@h/d?password={SECRET}1&password={SECRET}",
]


@pytest.mark.parametrize("url", WITH_PASSWORD)
def test_variables_of_a_notebook_do_not_show_it(url: str) -> None:
    engine = make_engine(resolve(url, {}))
    settings = [Settings(Path("a.db"), pg=url), CompareSettings(Path("a.db"), pg=url)]
    for shown in (engine, engine.url, *settings, dataclasses.replace(settings[0], dry_run=True)):
        assert SECRET not in repr(shown) + str(shown)
    arguments = engine.dialect.create_connect_args(engine.url)[1]
    assert arguments.get("password") == (SECRET if "sslpassword" not in url else None)


def test_a_password_in_the_query_is_used(database: Database) -> None:
    execute(database, f"CREATE ROLE visitor_{os.getpid()} LOGIN PASSWORD '{SECRET}'")
    try:
        given = make_url(database.url).update_query_dict({"password": SECRET}).render_as_string(hide_password=False)
        with make_engine(resolve(given, {})).connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            assert SECRET not in driver.dsn
            assert "password=xxx" in driver.dsn  # psycopg2 hides it, so it was given
    finally:
        execute(database, f"DROP ROLE visitor_{os.getpid()}")


@pytest.mark.parametrize("url", WITH_PASSWORD[:2])
def test_an_unexpected_error_shows_none(tmp_path: Path, url: str) -> None:
    """A defect of ours ends in a traceback, which shows the code and no values."""
    script = f"""
import etl.runs.connect, etl.run
def broken(*_): raise RuntimeError("a defect")
etl.runs.connect.check_connection = broken
etl.run.main(["--sqlite", {str(make_sqlite(tmp_path / "a.db", "CREATE TABLE t (a)"))!r}, "--pg", {url!r}])
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-X", "faulthandler", "-"],
        input=script,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "RuntimeError: a defect" in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_child_processes_know_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://u:{SECRET}@h/d")
    monkeypatch.setenv("PGPASSWORD", SECRET)
    with contextlib.closing(ValidationProcess()) as validation, EmbeddedServer(tmp_path / "pg"):
        server = processes_in(tmp_path)
        assert len(server) > 2
        facts = psutil.Process(validation.pid).as_dict(["cmdline", "environ"])
        for process in (facts, *(process.info for process in server)):
            assert SECRET not in " ".join(process["cmdline"])
            assert SECRET not in str(process["environ"])


def test_the_server_is_told_none(database: Database) -> None:
    url = make_url(database.url)
    url = url.set(password=url.password or SECRET)
    with make_engine(url).connect() as connection:
        shown = connection.exec_driver_sql("SELECT * FROM pg_stat_activity WHERE pid = pg_backend_pid()").all()
        settings = connection.exec_driver_sql("SELECT name, setting FROM pg_settings").all()
    assert str(url.password) not in str(shown) + str(settings)


# -- files --------------------------------------------------------------------------------------------------------


@pytest.fixture
def one_reject(database: Database, tmp_path: Path) -> Callable[..., Report]:
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY)")
    source = make_sqlite(
        tmp_path / "a.db", "CREATE TABLE t (id, extra)", "INSERT INTO t VALUES ('x', 1), (2, 'y'), (' 9 ', 'z')"
    )

    def load(folder: Path) -> Report:
        return etl.migrate(
            source, database.url, extra_columns="drop", repair="trim", validate=False, report_folder=folder
        )

    return load


def modes(folder: Path) -> dict[str, int]:
    found = {str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode) for path in folder.rglob("*")}
    return {"": stat.S_IMODE(folder.stat().st_mode), **found}


def test_everything_written_is_private_whatever_the_umask(
    one_reject: Callable[..., Report], database: Database, tmp_path: Path
) -> None:
    before = os.umask(0)
    try:
        for _ in range(2):
            one_reject(tmp_path / "out")
            execute(database, "UPDATE t SET id = id + 1")
    finally:
        os.umask(before)
    found = modes(tmp_path / "out")
    assert {"rejects/t.ndjson", "dropped/t.ndjson", "altered/t.ndjson", "differences", "previous"} <= found.keys()
    assert {path: mode for path, mode in found.items() if mode not in (0o600, 0o700)} == {}
    assert {path for path, mode in found.items() if mode == 0o700} >= {"", "rejects", "dropped", "previous"}


LINKS = ["out", "out/rejects", "out/dropped", "out/altered", "out/previous", "out/report.json", "out/rejects/t.ndjson"]


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("dangling", [False, True])
def test_no_symbolic_link_is_written_through(
    one_reject: Callable[..., Report], tmp_path: Path, link: str, dangling: bool
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "kept").write_text("kept")
    aim = victim / ("gone" if dangling else "kept") if Path(link).suffix else (victim / "gone" if dangling else victim)
    place = tmp_path / link
    place.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "out" / "report.md").write_text("of an older run") if link != "out" else None
    place.symlink_to(aim)
    with contextlib.suppress(UsageError, CannotRun):
        one_reject(tmp_path / "out")
    assert [path.name for path in victim.iterdir()] == ["kept"]
    assert (victim / "kept").read_text() == "kept"


def test_a_hard_link_is_replaced_not_written(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    folder = PrivateFolder(tmp_path / "out")
    folder.path.mkdir()
    os.link(victim, folder.path / "t.ndjson")
    with folder.open("t.ndjson") as file:
        file.write(b"row values")
    assert victim.read_text() == "kept"
    assert (folder.path / "t.ndjson").read_bytes() == b"row values"


def test_a_folder_that_became_a_link_meanwhile_is_not_followed(tmp_path: Path) -> None:
    """As somebody who may write beside the folder can make it at any moment between two files."""
    victim, place = tmp_path / "victim", tmp_path / "out"
    victim.mkdir()
    folder = PrivateFolder(place)
    folder.open("first.ndjson").close()
    place.rename(tmp_path / "aside")
    place.symlink_to(victim)
    with pytest.raises(CannotRun, match="cannot be written"):
        folder.open("second.ndjson")
    assert list(victim.iterdir()) == []


def test_an_older_report_cannot_choose_where_it_goes(one_reject: Callable[..., Report], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    for number, run_id in enumerate(["..", "../../x", "/tmp/x", "a" * 300, ".", "x\ny"]):
        folder.mkdir(exist_ok=True)
        (folder / "report.json").write_text(json.dumps({"run_id": run_id}))
        one_reject(folder)
        (folder / "report.json").unlink()
        assert len(list((folder / "previous").iterdir())) == number + 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.db", "out"]


# -- suites are data ----------------------------------------------------------------------------------------------

EXECUTABLE = {
    "a condition for pandas": {"row_condition": "__import__('os').system('touch {file}') == 0"},
    "its parser": {"row_condition": "a > 0", "condition_parser": "pandas"},
    "a condition object": {"row_condition": {"condition_type": "pandas", "condition": "@__import__('os')"}},
    "a data assistant's argument": {"evaluation_parameters": {"x": "__import__('os')"}},
    "a result format": {"result_format": {"result_format": "COMPLETE"}},
    "a parameter": {"min_value": {"$PARAMETER": "__import__('os').system('touch {file}')"}},
    "a pickle": {"min_value": {"$pickle": "gASV"}},
}


@pytest.mark.parametrize("case", EXECUTABLE)
def test_a_suite_that_asks_for_more_than_judging_is_refused(database: Database, tmp_path: Path, case: str) -> None:
    execute(database, "CREATE TABLE t (a integer PRIMARY KEY)")
    source = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
    arguments = json.loads(json.dumps(EXECUTABLE[case]).replace("{file}", str(tmp_path / "executed")))
    kwargs = {"column": "a", "min_value": 0, **arguments}
    suite = {
        "name": "t",
        "expectations": [{"type": "expect_column_values_to_be_between", "kwargs": kwargs, "severity": "critical"}],
    }
    (tmp_path / "t.json").write_text(json.dumps(suite))
    with pytest.raises(SuiteError, match=r"t\.json, expectation 1"):
        etl.migrate(source, database.url, expectations=tmp_path, report_folder=tmp_path / "out")
    assert query(database, "SELECT * FROM t") == []
    assert not (tmp_path / "executed").exists()


def test_every_kind_of_expectation_refuses_conditions(tmp_path: Path) -> None:
    """Great Expectations hands a `row_condition` to pandas' `query`, which evaluates it."""
    from etl.validation.rules import RULES

    for type_name in RULES:
        item = {"type": type_name, "kwargs": {"row_condition": "a > 0"}, "severity": "warning"}
        (tmp_path / "t.json").write_text(json.dumps({"name": "t", "expectations": [item]}))
        with pytest.raises(SuiteError, match="unknown argument 'row_condition'"):
            load_suite(tmp_path / "t.json", "t", {})


# -- who gets in --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as other users")
def test_nobody_reads_the_embedded_servers_files(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "pg"):
        for path in (tmp_path, *tmp_path.parents):
            if path != Path("/tmp"):
                path.chmod(path.stat().st_mode | 0o055) if path.is_relative_to("/tmp") else None
        as_nobody = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
        found = subprocess.run(
            [*as_nobody, "find", str(tmp_path / "pg"), "-readable"],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        assert found.stdout.split() == []
        assert "Permission denied" in found.stderr


# -- TLS ----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Certificates:
    """An authority of the test's own, a certificate that it signed for localhost, and an authority that it did not."""

    authority: Path
    unexpected: Path
    certificate: Path
    key: Path


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *map(str, arguments)], cwd=folder, check=True, capture_output=True)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    for name in ("authority", "unexpected"):
        openssl("req", "-x509", *curve, "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}")
    openssl("req", *curve[:-2], "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    signing = ["-CA", "authority.crt", "-CAkey", "authority.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
    openssl("x509", "-req", "-in", "server.csr", *signing, "-out", "server.crt")
    openssl("ec", "-in", "server.key", "-aes256", "-passout", f"pass:{SECRET}", "-out", "locked.key")
    (folder / "locked.key").chmod(0o600)
    return Certificates(*(folder / name for name in ("authority.crt", "unexpected.crt", "server.crt", "server.key")))


class TlsServer:
    """Speaks PostgreSQL's protocol up to the start of a session: then everybody hears that the database is missing.

    Without `context` it says that it has no TLS. `encrypted`: of each startup message, whether it came so.
    """

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        self.encrypted: list[bool] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> "TlsServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), client:  # a client that does not trust us hangs up
                client.settimeout(10)
                self._speak(client)

    def _speak(self, client: socket.socket) -> None:
        request = client.recv(1024)
        if request[4:8] != (80877103).to_bytes(4, "big"):  # SSLRequest
            self._refuse(client, request)
        elif self._context is None:
            client.sendall(b"N")
            self._refuse(client, client.recv(1024))
        else:
            client.sendall(b"S")
            with self._context.wrap_socket(client, server_side=True) as encrypted:
                self._refuse(encrypted, encrypted.recv(1024))

    def _refuse(self, client: socket.socket, startup: bytes) -> None:
        if b"user\0" not in startup:
            return
        self.encrypted.append(isinstance(client, ssl.SSLSocket))
        fields = b'SFATAL\0VFATAL\0C3D000\0Mdatabase "d" does not exist\0\0'
        client.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)


def refusal(url: str) -> str:
    with pytest.raises(EtlError) as caught:
        check_connection(make_engine(resolve(url, {})))
    assert SECRET not in str(caught.value)
    return str(caught.value)


MISSING = 'there is no database "d"'
TLS = [
    # (does the server have TLS, what the URL asks for, what is said, was the startup message sent encrypted)
    (True, "sslmode=require", MISSING, [True]),
    (True, "sslmode=verify-ca&sslrootcert={authority}", MISSING, [True]),
    (True, "sslmode=verify-full&sslrootcert={authority}", MISSING, [True]),
    (True, "sslmode=verify-full&sslrootcert={unexpected}", "certificate verify failed", []),
    (True, "sslmode=verify-ca&sslrootcert={unexpected}", "certificate verify failed", []),
    (True, "sslmode=disable", MISSING, [False]),
    (False, "sslmode=require", "the server has no SSL", []),
    (False, "sslmode=verify-full&sslrootcert={authority}", "the server has no SSL", []),
]


@pytest.mark.parametrize(("has_tls", "options", "said", "encrypted"), TLS)
def test_tls_options_of_the_url_are_obeyed(
    certificates: Certificates, has_tls: bool, options: str, said: str, encrypted: Sequence[bool]
) -> None:
    with TlsServer(server_context(certificates) if has_tls else None) as server:
        asked = options.format(authority=certificates.authority, unexpected=certificates.unexpected)
        assert said in refusal(f"postgresql://u:{SECRET}@localhost:{server.port}/d?hostaddr=127.0.0.1&{asked}")
    assert server.encrypted == list(encrypted)


def test_a_certificate_for_another_host_is_refused(certificates: Certificates) -> None:
    with TlsServer(server_context(certificates)) as server:
        asked = f"sslmode=verify-full&sslrootcert={certificates.authority}"
        said = refusal(f"postgresql://u@127.0.0.1:{server.port}/d?{asked}")
    assert 'does not match host name "127.0.0.1"' in said
    assert server.encrypted == []


@pytest.mark.parametrize(("password", "said"), [(SECRET, MISSING), (f"{SECRET}-wrong", "private key file")])
def test_the_password_of_a_client_key_is_used_and_hidden(certificates: Certificates, password: str, said: str) -> None:
    key = certificates.key.with_name("locked.key")
    with TlsServer(server_context(certificates)) as server:
        asked = f"sslmode=require&sslcert={certificates.certificate}&sslkey={key}&sslpassword={password}"
        assert said in refusal(f"postgresql://u@localhost:{server.port}/d?hostaddr=127.0.0.1&{asked}")


def server_context(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    return context


# -- the promises -------------------------------------------------------------------------------------------------


def test_every_promise_names_tests_that_exist() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and "held by" not in line]
    assert len(rows) >= 10
    for row in rows:
        assert re.search(r"`\w+/test_\w+\.py", row), row
    module = ""
    for named in re.findall(r"`((?:\w+/test_\w+\.py)?(?:::test_\w+)?)`", text):
        file, _, function = named.partition("::")
        module = file or module
        content = (ROOT / "tests" / module).read_text()
        assert not function or f"def {function}(" in content, named
