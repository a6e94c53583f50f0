"""The parent process of the embedded PostgreSQL: it ends the server when the last user of it is gone, however it ended.

A script of its own, started with `python -I -S`: standard library only, no packages, so that it is up at once.
It cannot be fooled by a kill -9: users hold a shared lock on the lease file, which the kernel lets go with their last
breath, and the supervisor sleeps until it gets that lock for itself.

    supervisor.py run       HOW:UID:GID FOLDER PROGRAM …               become the server's user, run PROGRAM in FOLDER
    supervisor.py supervise HOW:UID:GID FOLDER LEASE SCRATCH PROGRAM …  the same in a child, guarded as said above

HOW is "as-is", "namespace" or "account" (see `identity.py`). SCRATCH is a folder to remove at the end, or empty.
"""

import _thread
import contextlib
import ctypes  # up here: another user may have no access to Python's own folder
import fcntl
import os
import signal
import sys

CLONE_NEWUSER = 0x10000000  # linux/sched.h
PR_SET_PDEATHSIG = 1  # linux/prctl.h

ENDS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1}


def become(how: str, uid: int, gid: int) -> None:
    """Turn this process into the user that PostgreSQL runs as; needs a process with a single thread."""
    os.umask(0o077)
    if how == "namespace":
        _enter_namespace(uid, gid)
    elif how == "account":
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)


def _enter_namespace(uid: int, gid: int) -> None:
    """Show our own user as `uid` to this process and its children; files keep their real owner."""
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    _libc("unshare", CLONE_NEWUSER)
    for name, content in (
        ("setgroups", "deny"),  # user_namespaces(7): has to come before gid_map
        ("uid_map", f"{uid} {outer_uid} 1"),
        ("gid_map", f"{gid} {outer_gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 (pathlib would double the time to start)
            file.write(content)


def _libc(function: str, *arguments: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def die_with_parent(parent: int, signal_number: int) -> None:
    """Ask Linux for `signal_number` as soon as `parent` is gone; after `become`, which would clear it (prctl(2))."""
    if sys.platform == "linux":
        _libc("prctl", PR_SET_PDEATHSIG, signal_number)
        if os.getppid() != parent:
            os._exit(1)


def run(identity: str, folder: str, program: list[str], *, parent: int, parting: int) -> None:
    """Become `identity` and go on as `program`."""
    how, uid, gid = identity.split(":")
    become(how, int(uid), int(gid))
    die_with_parent(parent, parting)
    os.chdir(folder)
    os.execv(program[0], program)


def supervise(identity: str, folder: str, lease: str, scratch: str, program: list[str]) -> None:
    """Run `program` until it ends, until nobody holds the lease, or until a signal asks for the end."""
    if os.fork():
        os._exit(0)  # so that init is the parent: no user has to wait for us, or is left with a zombie
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    server = _start(identity, folder, program)
    _thread.start_new_thread(_signal_when_free, (lease,))
    if signal.sigwait(ENDS) != signal.SIGCHLD:
        os.kill(server, signal.SIGINT)  # PostgreSQL's "fast shutdown": roll back, checkpoint, end
    os.waitpid(server, 0)
    if scratch:
        with contextlib.suppress(OSError):  # not empty: PostgreSQL was killed, its socket is still there
            os.rmdir(scratch)  # noqa: PTH106
    os._exit(0)  # not sys.exit: the thread may still wait for its lock


def _start(identity: str, folder: str, program: list[str]) -> int:
    supervisor = os.getpid()
    server = os.fork()
    if server == 0:
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            run(identity, folder, program, parent=supervisor, parting=signal.SIGINT)
        except OSError as error:
            print(f"cannot run {program[0]}: {error}", file=sys.stderr, flush=True)  # noqa: T201 (the server log)
        finally:
            os._exit(1)
    return server


def _signal_when_free(lease: str) -> None:
    descriptor = os.open(lease, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)  # kept to the end: who comes now waits until the server is gone
    os.kill(os.getpid(), signal.SIGUSR1)


def main(arguments: list[str]) -> None:
    """See the head of this file."""
    task, identity, folder, *rest = arguments
    if task == "run":
        run(identity, folder, rest, parent=os.getppid(), parting=signal.SIGTERM)
    else:
        lease, scratch, *program = rest
        supervise(identity, folder, lease, scratch, program)


if __name__ == "__main__":
    main(sys.argv[1:])
