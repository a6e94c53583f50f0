"""Work on a thread of its own: ahead of whoever takes its items, or beside whoever wants its result."""

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Abandoned(Exception):  # noqa: N818 - not an error: the reader has gone, and the work may stop
    """Raised in the working thread when nobody waits for its items any more."""


class Channel(Generic[T]):
    """A bounded queue between one worker and one reader; either side may end early and tell the other."""

    def __init__(self, depth: int) -> None:
        self._items: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(maxsize=depth)
        self._abandoned = threading.Event()

    def put(self, item: T) -> None:
        """For the worker: waits for room; raises `Abandoned` when the reader has gone."""
        self._put(item, None)

    def wait_until_done(self) -> None:
        """For the worker: waits until the reader is through with every item; raises `Abandoned` when it has gone."""
        with self._items.all_tasks_done:
            while self._items.unfinished_tasks:
                if self._abandoned.is_set():
                    raise Abandoned
                self._items.all_tasks_done.wait(timeout=0.1)

    def end(self, error: BaseException | None = None) -> None:
        """For the worker: no more items, or the error that ended the work."""
        with contextlib.suppress(Abandoned):
            self._put(None, error)

    def abandon(self) -> None:
        """For the reader: nothing more is wanted."""
        self._abandoned.set()

    def __iter__(self) -> Iterator[T]:
        while True:
            item, error = self._items.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item
            del item  # while the reader waits for the next one, the last may be the only large one in memory
            self._items.task_done()

    def _put(self, item: T | None, error: BaseException | None) -> None:
        while not self._abandoned.is_set():
            with contextlib.suppress(queue.Full):
                self._items.put((item, error), timeout=0.1)
                return
        raise Abandoned


def ahead(
    work: Callable[[Channel[T]], None], *, depth: int, name: str, stop: Callable[[], None] | None = None
) -> Generator[T]:
    """Yields what `work` puts into the channel that it is given, on a thread called `name`.

    What it raises is raised here. When the reader leaves early, `stop` is called (again and again, until the thread has
    ended) to interrupt what the thread may be waiting for.
    """
    channel: Channel[T] = Channel(depth)

    def body() -> None:
        try:
            work(channel)
        except Abandoned:
            return
        except BaseException as error:  # noqa: BLE001 - handed to the reader, which raises it
            channel.end(error)
        else:
            channel.end()

    thread = threading.Thread(target=body, name=name, daemon=True)
    thread.start()
    try:
        yield from channel
    finally:
        channel.abandon()
        thread.join(timeout=0.05)
        while thread.is_alive():
            if stop is not None:
                stop()
            thread.join(timeout=0.2)


def run_in_background(work: Callable[[], T], *, name: str) -> "Future[T]":
    """Runs `work` on a thread called `name` that nobody has to wait for, not even the end of the process."""
    future: Future[T] = Future()

    def body() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits, who raises it
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=body, name=name, daemon=True).start()
    return future
