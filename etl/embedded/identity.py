"""Which user of the operating system the embedded PostgreSQL runs as, and whom it lets in.

PostgreSQL refuses to run as root, and as a user without a name. Both get a user namespace of their own, in which they
go by the name of some account: files keep their owner and their mode 0700, and who else connects appears as "nobody".
Where namespaces are forbidden (many containers), root falls back to an unprivileged account.
"""

import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from etl.core.errors import TargetError

SUPERVISOR = Path(__file__).with_name("supervisor.py")
ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True)
class Identity:
    """`how` the server gets its user, `uid` and `gid` as the server sees them, and the `client` that it lets in."""

    how: str
    uid: int
    gid: int
    client: str

    @property
    def owner(self) -> tuple[int, int]:
        """uid and gid of the server's files, as everybody else sees them."""
        return (self.uid, self.gid) if self.how == "account" else (os.geteuid(), os.getegid())

    @property
    def folder_mode(self) -> int:
        """Mode of the folders above the cluster that we make; another account has to be able to pass through."""
        return 0o711 if self.how == "account" else 0o700

    def command(self, task: str, folder: Path, *arguments: str | Path) -> list[str]:
        """The command line that does `task` of `supervisor.py` as this user, in `folder`."""
        who = f"{self.how}:{self.uid}:{self.gid}"
        return [sys.executable, "-I", "-S", str(SUPERVISOR), task, who, str(folder), *map(str, arguments)]


def choose(postgres: Path, folder: Path) -> Identity:
    """The first identity under which `postgres` runs and reaches `folder`; raises TargetError where there is none."""
    reasons = []
    for identity in filter(None, (make() for make in _candidates())):
        reason = _obstacle(identity, postgres, folder)
        if reason is None:
            return identity
        reasons.append(f"{identity.how}: {reason}")
    raise TargetError(
        f"The embedded PostgreSQL cannot run here as {name_of(os.geteuid())} ({'; '.join(reasons)}). "
        "Run the command as an ordinary user, or name a server with --pg URL."
    )


def _candidates() -> list[Callable[[], Identity | None]]:
    uid = os.geteuid()
    if uid != 0 and _entry(uid) is not None:
        return [as_is]
    accounts = [name for name in ACCOUNTS if _entry(name) is not None] if uid == 0 else []
    return [in_namespace, *(partial(as_account, name) for name in accounts)]


def as_is() -> Identity:
    """The ordinary user who runs the command."""
    return Identity("as-is", os.geteuid(), os.getegid(), name_of(os.geteuid()))


def in_namespace() -> Identity | None:
    """Our own user, under the name of some account that no unexpected can appear as; None where there is no account."""
    taken = {0, os.geteuid(), _overflow_uid()}
    # Names that nearly every system has come first: listing all of them can take long where they come from a network.
    likely = [entry for name in ("postgres", "daemon", "bin") if (entry := _entry(name)) is not None]
    for entry in likely or pwd.getpwall():
        if entry.pw_uid not in taken:
            return Identity("namespace", entry.pw_uid, entry.pw_gid, name_of(entry.pw_uid))
    return None


def as_account(name: str) -> Identity:
    """For root only: the server gives its privileges up for those of `name`; only root may connect."""
    entry = pwd.getpwnam(name)
    return Identity("account", entry.pw_uid, entry.pw_gid, name_of(os.geteuid()))


def _overflow_uid() -> int:
    """Whom people outside of a namespace appear as in it (user_namespaces(7)), so who must never be let in."""
    setting = Path("/proc/sys/kernel/overflowuid")
    return int(setting.read_text()) if setting.exists() else 65534


def _entry(user: int | str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(user) if isinstance(user, str) else pwd.getpwuid(user)
    except KeyError:
        return None


def name_of(uid: int) -> str:
    """The name that PostgreSQL finds for a user; several may share a number, the first one counts."""
    entry = _entry(uid)
    return entry.pw_name if entry is not None else f"uid {uid}"


def _obstacle(identity: Identity, postgres: Path, folder: Path) -> str | None:
    """Why `identity` cannot run `postgres` in `folder`, found by trying; None when it can."""
    command = identity.command("run", folder, postgres, "--version")
    trial = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if trial.returncode == 0:
        return None
    return (trial.stderr.strip().splitlines() or [f"exit {trial.returncode}"])[-1]
