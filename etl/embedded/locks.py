"""Locks between processes: flock, which the kernel lets go with the last process that holds it, however that ends."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from etl.core.errors import TargetError

SHARED = fcntl.LOCK_SH
EXCLUSIVE = fcntl.LOCK_EX
POLL_SECONDS = 0.01


def open_private(path: Path, flags: int = 0) -> int:
    """A descriptor of `path`, made with mode 0600 where it is missing; a link in its place is not followed."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o600)
    except OSError as error:
        raise TargetError(f"{path} cannot be used: {error.strerror}. Does it belong to another user?") from error


@contextlib.contextmanager
def opened(path: Path, flags: int = 0) -> Iterator[int]:
    """`open_private`, closed at the end; that lets a lock go, unless another process inherited it."""
    descriptor = open_private(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def try_lock(descriptor: int, kind: int) -> bool:
    """Lock at once or not at all; a lock that was held before is lost where the answer is no (flock(2))."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def take(descriptor: int, kind: int, *, deadline: float, busy: str) -> None:
    """Lock as soon as possible; TargetError with the message `busy` after `deadline` (time.monotonic)."""
    while not try_lock(descriptor, kind):
        if time.monotonic() > deadline:
            raise TargetError(busy)
        time.sleep(POLL_SECONDS)


def release(descriptor: int) -> None:
    """Let the lock go, in forked children too, and close the descriptor."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)
