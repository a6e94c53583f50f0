"""Task after task on one thread: who takes the results of one need not wait for the first results of the next."""

from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from typing import Generic, TypeVar

from etl.concurrency.background import Channel, ahead

K = TypeVar("K")
T = TypeVar("T")


class _TaskEnd:
    """Stands behind the last item of a task."""


class Prefetcher(Generic[K, T]):
    """Works through tasks in order, a few items ahead of whoever takes them, and does not stop where a task ends.

    Behind an item that should be `alone` (since two of its size would be too much) it waits until that is done with.
    """

    def __init__(
        self, work: Callable[[K], Iterable[T]], *, depth: int, name: str, alone: Callable[[T], bool] = lambda _: False
    ) -> None:
        self._work = work
        self._alone = alone
        self._depth = depth
        self._name = name
        self._tasks: Sequence[K] = ()
        self._items: Generator[T | _TaskEnd] | None = None

    @property
    def next_task(self) -> K | None:
        """The task whose items `take` gives next; None where nothing is expected any more."""
        return self._tasks[0] if self._tasks else None

    def expect(self, tasks: Sequence[K]) -> None:
        """These tasks in this order, from their beginnings; what was worked out ahead for others is thrown away."""
        self.close()
        self._tasks = tasks

    def take(self) -> Generator[T]:
        """The items of the next task; what the work raises is raised here. To leave early is to end all of it.

        With the last item of the last task the thread has ended too.
        """
        if self._items is None:
            self._items = ahead(partial(self._work_through, self._tasks), depth=self._depth, name=self._name)
        try:
            for item in self._items:
                if isinstance(item, _TaskEnd):
                    break
                yield item
                del item
        except BaseException:
            self.close()
            raise
        self._tasks = self._tasks[1:]
        if not self._tasks:
            self.close()

    def close(self) -> None:
        """Ends the thread; nothing is expected any more."""
        self._tasks = ()
        if self._items is not None:
            self._items.close()
            self._items = None

    def _work_through(self, tasks: Sequence[K], channel: Channel[T | _TaskEnd]) -> None:
        for task in tasks:
            for item in self._work(task):
                alone = self._alone(item)
                channel.put(item)
                del item
                if alone:
                    channel.wait_until_done()
            channel.put(_TaskEnd())
