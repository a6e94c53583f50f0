"""What more workers and a larger server would gain: measured seconds of each stage per part, put into a model.

The model: every part takes its worker's seconds (reading, converting, checking) on a core of the worker's own, then its
server seconds (its COPY) on one of the server's cores; parts are handed out in order, each to the worker that is free
first. What begins the run (processes, plan) and what ends it (publication, comparison) is as long as it was measured,
whatever the number of workers. Networks, disks and memory are taken for wide enough. It is a model: what it says is
called simulated.
"""

import heapq
import itertools
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from etl.core.report import PARTS_FILE, REPORT_FILE

WORKERS = (1, 2, 4, 8, 16, 32)
SERVER_CORES = (1, 2, 4, 8)
FACTOR = 100  # a database that workers are for
WORTH_IT = 0.9  # the next number of workers takes less than this share of the time, else it is not worth them


@dataclass(frozen=True)
class PartTime:
    """Seconds that a part took: in its worker, and in the server."""

    worker: float
    server: float


@dataclass(frozen=True)
class Measured:
    """A run that was measured: its parts, all of its seconds, and those of its publication."""

    parts: tuple[PartTime, ...]
    seconds: float
    publication: float = 0.0

    @classmethod
    def read(cls, report: Path) -> "Measured":
        """From the report folder of a load by workers."""
        lines = [json.loads(line)["seconds"] for line in (report / PARTS_FILE).read_text().splitlines()]
        told = json.loads((report / REPORT_FILE).read_text())
        parts = tuple(PartTime(line["total"] - line["copy"], line["copy"]) for line in lines)
        publication = sum(seconds for stage, seconds in told["timings"].items() if stage not in ("parts", "plan"))
        return cls(parts, told["seconds"], publication)

    @property
    def around(self) -> float:
        """Seconds in which no part was under way: the start of one worker's process, plan, publication, comparison."""
        return self.seconds - makespan(self.parts, 1, 1)

    def times(self, factor: int) -> "Measured":
        """The same with so many times the rows: as many more parts, a longer publication, the same start."""
        seconds = self.seconds + (factor - 1) * (makespan(self.parts, 1, 1) + self.publication)
        return Measured(self.parts * factor, seconds, self.publication * factor)

    def predicted(self, workers: int, server_cores: int, machine_cores: int | None = None) -> float:
        """Simulated seconds of the whole run; `machine_cores`: worker and server share so many."""
        return self.around + makespan(self.parts, workers, server_cores, machine_cores)


def makespan(parts: Sequence[PartTime], workers: int, server_cores: int, machine_cores: int | None = None) -> float:
    """Simulated seconds from the first part's beginning to the last one's end."""
    waiting, free_workers = deque(parts), workers
    own, server = _Cores(machine_cores or workers), _Cores(server_cores)
    if machine_cores:
        server = own
    number = itertools.count()
    events: list[tuple[float, int, _Cores, PartTime, bool]] = []  # when which core is free again, and of what
    now = 0.0
    while waiting or events or own.queue or server.queue:
        while waiting and free_workers:
            free_workers -= 1
            own.queue.append((waiting.popleft(), False))
        for cores in (own, server):
            while cores.free and cores.queue:
                part, copying = cores.queue.popleft()
                cores.free -= 1
                end = now + (part.server if copying else part.worker)
                heapq.heappush(events, (end, next(number), cores, part, copying))
        now, _, cores, part, copied = heapq.heappop(events)
        cores.free += 1
        if copied:
            free_workers += 1
        else:
            server.queue.append((part, True))
    return now


class _Cores:
    """Cores, and what waits for one; it is served in the order in which it came."""

    def __init__(self, count: int) -> None:
        self.free = count
        self.queue: deque[tuple[PartTime, bool]] = deque()


def saturates(measured: Measured, server_cores: int) -> int:
    """The number of workers behind which twice as many are not worth it."""
    for fewer, more in itertools.pairwise(WORKERS):
        if measured.predicted(more, server_cores) > WORTH_IT * measured.predicted(fewer, server_cores):
            return fewer
    return WORKERS[-1]


def to_markdown(one: Measured, two: Measured, single: float, machine_cores: int) -> str:
    """The tables: what was measured, how the model does beside it, and what it says for more."""
    predicted = one.predicted(2, machine_cores, machine_cores)
    worker, server = (sum(getattr(part, name) for part in one.parts) for name in ("worker", "server"))
    overhead = f"One worker beside one process: {one.seconds / single:.2f} times the seconds."
    checked = f"The model is off by {abs(predicted / two.seconds - 1):.0%} for 2 workers."
    assumed = "Assumed: a core for each worker, parts handed out in order, networks, disks and memory wide enough."
    from_what = (
        f"**Simulated** seconds of the whole run, from {len(one.parts)} measured parts ({worker:.1f} s in workers, "
        f"{server:.1f} s in the server) and {one.around:.1f} s around them, which more workers do not shorten."
    )
    lines = [
        "## Several workers",
        "",
        "| what | seconds |",
        "|---|--:|",
        f"| measured: one process, without workers | {single:.1f} |",
        f"| measured: `--workers 1` | {one.seconds:.1f} |",
        f"| measured: `--workers 2` | {two.seconds:.1f} |",
        f"| simulated for 2 workers on these {machine_cores} cores | {predicted:.1f} |",
        "",
        f"{overhead} {checked}",
        "",
        f"{from_what} {assumed}",
        *_table(one),
        "",
        f"**Simulated** as well: {FACTOR} times the rows, so {FACTOR} times these parts and that publication.",
        *_table(one.times(FACTOR)),
    ]
    return "\n".join(lines) + "\n"


def _table(measured: Measured) -> list[str]:
    """Seconds by workers and server cores, and where more are not worth it."""
    found = ", ".join(f"{saturates(measured, cores)} with {cores}" for cores in SERVER_CORES)
    return [
        "",
        "| workers | " + " | ".join(f"{cores} server core{'s' if cores > 1 else ''}" for cores in SERVER_CORES) + " |",
        "|--:|" + "--:|" * len(SERVER_CORES),
        *(
            f"| {workers} | "
            + " | ".join(f"{measured.predicted(workers, cores):,.1f}" for cores in SERVER_CORES)
            + " |"
            for workers in WORKERS
        ),
        "",
        f"Twice as many workers gain less than a tenth behind (workers with server cores): {found}.",
    ]
