"""The thread that works through tasks ahead of whoever takes their items."""

import threading
import time
from collections.abc import Iterator

import pytest

from etl.concurrency.prefetch import Prefetcher

NAME = "etl-test-relay"


class Work:
    """`size` items for each task; says when a task was begun."""

    def __init__(self, sizes: dict[str, int]) -> None:
        self.sizes = sizes
        self.begun: list[str] = []
        self.second_begun = threading.Event()

    def __call__(self, task: str) -> Iterator[str]:
        self.begun.append(task)
        if len(self.begun) > 1:
            self.second_begun.set()
        for number in range(self.sizes[task]):
            yield f"{task}{number}"
        if task == "broken":
            raise ValueError(task)


class SlowToEnd(tuple[str, ...]):
    """Tasks behind whose last one the thread that works through them still takes its time."""

    __slots__ = ()

    def __iter__(self) -> Iterator[str]:
        yield from super().__iter__()
        time.sleep(0.3)


def relay_for(work: Work, *tasks: str) -> Prefetcher[str, str]:
    relay: Prefetcher[str, str] = Prefetcher(work, depth=2, name=NAME)
    relay.expect(tasks)
    return relay


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == NAME]


def test_every_task_in_order_with_its_own_items() -> None:
    relay = relay_for(Work({"a": 3, "empty": 0, "b": 2}), "a", "empty", "b")
    found = []
    while (task := relay.next_task) is not None:
        found.append((task, list(relay.take())))
    assert found == [("a", ["a0", "a1", "a2"]), ("empty", []), ("b", ["b0", "b1"])]


def test_with_the_last_item_of_the_last_task_the_thread_has_ended() -> None:
    relay = relay_for(Work({"a": 1}))
    relay.expect(SlowToEnd(["a"]))
    assert list(relay.take()) == ["a0"]
    assert threads() == []
    assert relay.next_task is None


def test_the_next_task_is_begun_before_anybody_asks_for_it() -> None:
    work = Work({"a": 1, "b": 1})
    relay = relay_for(work, "a", "b")
    first = relay.take()
    assert next(first) == "a0"
    assert work.second_begun.wait(timeout=60)
    relay.close()
    assert threads() == []


def test_behind_an_item_that_should_be_alone_nothing_is_worked_out_until_it_is_done_with() -> None:
    work = Work({"a": 1, "b": 1})
    relay: Prefetcher[str, str] = Prefetcher(work, depth=2, name=NAME, alone=lambda item: item == "a0")
    relay.expect(["a", "b"])
    first = relay.take()
    assert next(first) == "a0"
    assert not work.second_begun.wait(timeout=0.5)
    assert list(first) == []
    assert work.second_begun.wait(timeout=60)
    assert list(relay.take()) == ["b0"]


def test_a_task_asked_for_again_begins_anew_and_what_was_ahead_is_forgotten() -> None:
    work = Work({"a": 2, "b": 2})
    relay = relay_for(work, "a", "b")
    assert list(relay.take()) == ["a0", "a1"]
    relay.expect(["a", "b"])
    assert [list(relay.take()), list(relay.take())] == [["a0", "a1"], ["b0", "b1"]]
    assert relay.next_task is None


def test_an_error_is_raised_behind_the_items_before_it_and_ends_the_thread() -> None:
    relay = relay_for(Work({"a": 1, "broken": 2, "b": 1}), "a", "broken", "b")
    assert list(relay.take()) == ["a0"]
    items = relay.take()
    assert [next(items), next(items)] == ["broken0", "broken1"]
    with pytest.raises(ValueError, match="broken"):
        next(items)
    assert threads() == []


def test_to_leave_early_ends_the_thread() -> None:
    relay = relay_for(Work({"a": 100, "b": 1}), "a", "b")
    items = relay.take()
    next(items)
    items.close()
    assert threads() == []
    assert relay.next_task is None
