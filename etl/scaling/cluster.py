"""Dask: workers of our own on this machine, or those of a running scheduler. The only module that imports it."""

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.core.errors import CannotRun, EtlError, UsageError
from etl.core.text import counted
from etl.scaling.fingerprint import Facts, facts_about, require_same
from etl.scaling.parts import Part
from etl.scaling.work import WORKER_URL, Answer, Job, begin, forget, hang_up, load_part

if TYPE_CHECKING:
    from distributed import Client, Future

TASKS_PER_WORKER = 4  # handed over ahead, so that none waits for the coordinator
RETRIES = 2  # of a part whose connection was lost; the ledger knows if it had arrived
WAIT_SECONDS = 30.0  # for the first worker of a scheduler
LOST_SECONDS = 10.0  # without the scheduler, until it is taken for lost
STOP_SECONDS = 5.0
_POLL_SECONDS = 0.2


class SchedulerLostError(CannotRun):
    """Nobody hands out work any more."""


@dataclass(frozen=True)
class Call:
    """A function that a worker is to call; Dask shows it by its key."""

    key: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


def _raise(_key: str, error: EtlError) -> None:
    raise error


@dataclass
class Cluster:
    """Workers that take parts. `said` tells how many there are, for people."""

    client: "Client"
    said: str
    stopped: threading.Event
    _alone_since: float | None = None

    def check(self, run_id: str, path: Path | None) -> None:
        """Raises `CannotRun` where a worker does not see the file (if there is one), or is not like this process."""
        ours = facts_about(path)
        found: Mapping[str, Facts | str] = self.client.run(begin, run_id, path)
        for worker, facts in found.items():
            if isinstance(facts, str):
                raise CannotRun(f"The worker {worker} does not see the source. {facts} Nothing was committed.")
            require_same(ours, facts, worker)

    def work(self, jobs: Mapping[str, Job], parts: Sequence[Part], on_done: Callable[[Answer], None]) -> None:
        """Has all parts loaded; `on_done` hears of each, in the order in which they are done.

        Raises `EtlError` where a part cannot be loaded, or the scheduler or all workers are lost; KeyboardInterrupt
        where `stop` was called.
        """
        calls = [
            Call(f"etl-{jobs[part.table].ledger.run_id}-{part.number}", load_part, (jobs[part.table], part))
            for part in parts
        ]
        self.each(calls, on_done, _raise)

    def each(
        self, calls: Sequence[Call], on_done: Callable[[Any], None], on_error: Callable[[str, EtlError], None]
    ) -> None:
        """Has all calls made; `on_error` hears of those that fail, by their keys.

        Raises `CannotRun` where the scheduler or all workers are lost, KeyboardInterrupt where `stop` was called.
        """
        answers: queue.Queue[Future[Any]] = queue.Queue()
        waiting = list(reversed(calls))
        open_calls: dict[str, Future[Any]] = {}
        try:
            while waiting or open_calls:
                while waiting and len(open_calls) < TASKS_PER_WORKER * max(1, len(_workers(self.client))):
                    call = waiting.pop()
                    future = self.client.submit(
                        call.function, *call.arguments, key=call.key, retries=RETRIES, pure=False
                    )
                    open_calls[call.key] = future
                    future.add_done_callback(answers.put)
                done = self._next(answers)
                if done is None:
                    continue
                try:
                    result = self._result(done)
                except SchedulerLostError:
                    raise
                except EtlError as error:
                    if self.stopped.is_set():  # that is why it failed
                        raise KeyboardInterrupt from error
                    on_error(str(done.key), error)
                else:
                    on_done(result)
                del open_calls[str(done.key)]
        finally:
            for future in open_calls.values():
                future.cancel()

    def _next(self, answers: "queue.Queue[Future]") -> "Future | None":
        """The next part that is done; None while nothing happens."""
        if self.stopped.is_set():
            raise KeyboardInterrupt
        with contextlib.suppress(queue.Empty):
            return answers.get(timeout=_POLL_SECONDS)
        self._require_scheduler()
        self._require_workers()
        return None

    def _require_scheduler(self) -> None:
        deadline = time.monotonic() + LOST_SECONDS
        while self.client.status != "running":
            if self.stopped.is_set():
                raise KeyboardInterrupt
            if time.monotonic() > deadline:
                raise SchedulerLostError("The Dask scheduler was lost.")
            time.sleep(_POLL_SECONDS)

    def _require_workers(self) -> None:
        """Those of our own are started again when they die; of others somebody has to start new ones."""
        if _workers(self.client):
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = time.monotonic()
        elif time.monotonic() - self._alone_since > WAIT_SECONDS:
            raise SchedulerLostError(f"The Dask scheduler has had no worker for {WAIT_SECONDS:.0f} s.")

    def _result(self, future: "Future[Any]") -> Any:
        from distributed import CancelledError, KilledWorker

        try:
            return future.result(timeout=LOST_SECONDS)
        except EtlError:
            raise
        except KilledWorker as error:
            raise CannotRun(
                f"Workers died again and again at the same part ({error.task}): each may be short of memory (a "
                "smaller --batch-rows takes less), or is killed from outside."
            ) from error
        except (CancelledError, OSError, TimeoutError) as error:
            if self.stopped.is_set():
                raise KeyboardInterrupt from error
            raise SchedulerLostError("The Dask scheduler was lost.") from error

    def stop(self, run_id: str) -> None:
        """Ends the workers' statements, from any thread; what they have not committed is rolled back."""
        self.stopped.set()
        self._tell(hang_up, run_id)

    def forget(self, run_id: str) -> None:
        """The run has come to its end: workers keep nothing for it."""
        self._tell(forget, run_id)

    def _tell(self, what: Callable[[str], None], run_id: str) -> None:
        """Workers that are gone need not be told, and nobody waits for one that keeps silent."""
        if self.client.status != "running":
            return

        def tell() -> None:
            with contextlib.suppress(Exception):
                self.client.run(what, run_id, on_error="ignore")

        teller = threading.Thread(target=tell, name="etl-stop", daemon=True)
        teller.start()
        teller.join(STOP_SECONDS)


@contextlib.contextmanager
def open_cluster(workers: int | None, scheduler: str | None, worker_url: str | None) -> Iterator[Cluster]:
    """The workers: `workers` new processes on this machine, or those of `scheduler`.

    `worker_url` is the target for new ones, password included; they inherit it with the environment. Raises
    `UsageError` where Dask is not installed, `CannotRun` where the scheduler does not answer or has no workers.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise UsageError("--workers and --scheduler need Dask: pip install 'sqlite-to-postgres-etl[dask]'.") from error
    if scheduler is not None:
        with _running(scheduler) as cluster:
            yield cluster
        return
    with _environment(worker_url), _local(workers or 1) as cluster:
        yield cluster


@contextlib.contextmanager
def _local(workers: int) -> Iterator[Cluster]:
    """Processes that end with this one, however that ends. They listen on 127.0.0.1 alone."""
    from distributed import Client, LocalCluster

    try:
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
            preload=["etl.scaling.preload"],
        )
    except (OSError, RuntimeError) as error:
        raise CannotRun(
            f"The workers could not be started ({error}). A script that loads by workers has to call it behind "
            '`if __name__ == "__main__":`, as each worker imports the script.'
        ) from error
    with cluster, Client(cluster, set_as_default=False) as client:
        share = min(worker["memory_limit"] for worker in _workers(client).values()) // 2**20
        each = f"each may take {share:,} MB" if workers > 1 else f"it may take {share:,} MB"
        said = f"{counted(workers, 'worker')} on this machine ({each}), dashboard {cluster.dashboard_link}"
        yield Cluster(client, said, threading.Event())


def _workers(client: "Client") -> Mapping[str, dict[str, int]]:
    found: Mapping[str, dict[str, int]] = client.scheduler_info(n_workers=-1)["workers"]
    return found


@contextlib.contextmanager
def _running(address: str) -> Iterator[Cluster]:
    from distributed import Client

    try:
        client = Client(address, set_as_default=False, timeout=WAIT_SECONDS / 3)
    except (OSError, ValueError) as error:
        raise CannotRun(
            f"No Dask scheduler answers at {address} ({str(error).splitlines()[0]}). Start one with `dask scheduler`, "
            "and workers with `dask worker ADDRESS --nthreads 1`."
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WAIT_SECONDS)
        except TimeoutError as error:
            raise CannotRun(
                f"The scheduler at {address} has no workers: start some with `dask worker {address} --nthreads 1`."
            ) from error
        count = counted(len(_workers(client)), "worker")
        said = f"{count} of the scheduler at {address}, dashboard {client.dashboard_link}"
        yield Cluster(client, said, threading.Event())


@contextlib.contextmanager
def _environment(worker_url: str | None) -> Iterator[None]:
    """Inside, processes that are started inherit the target's URL. A worker that died is started again much later."""
    before = os.environ.get(WORKER_URL)
    if worker_url is not None:
        os.environ[WORKER_URL] = worker_url
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(WORKER_URL, None)
        else:
            os.environ[WORKER_URL] = before
