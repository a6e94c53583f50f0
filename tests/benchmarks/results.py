"""What was measured: the runs of every way, and the goals that they are held against; as data, and as Markdown."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.ways import Way


@dataclass
class Result:
    """A way's timed runs in the order of the rounds. `fault` says why there are no more of them."""

    way: Way
    rows: int
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    server_cpu_seconds: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    fault: str | None = None

    @property
    def median_seconds(self) -> float:
        return statistics.median(self.seconds)

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.median_seconds

    @property
    def peak_megabytes(self) -> float:
        return self.peak_bytes / 1e6


@dataclass(frozen=True)
class Goal:
    """A bound for a figure of `way` in a shape, or for its ratio to `peer`'s seconds."""

    way: str
    figure: Callable[[Result], float]
    unit: str
    bound: float
    at_least: bool = False
    peer: str | None = None
    shape: str = "chat"

    def text(self) -> str:
        return f"{'at least' if self.at_least else 'at most'} {self.bound:,g} {self.unit}"

    def met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


def _ratio(way: str, bound: float, peer: str, shape: str = "chat") -> Goal:
    return Goal(way, lambda result: result.median_seconds, f"× {peer}", bound, peer=peer, shape=shape)


def _seconds(way: str, bound: float) -> Goal:
    return Goal(way, lambda result: result.median_seconds, "s", bound)


def _memory(way: str, bound: float) -> Goal:
    return Goal(way, lambda result: result.peak_megabytes, "MB", bound)


GOALS = (
    _ratio("load", 0.60, "pgloader"),
    _ratio("load-compared", 0.75, "pgloader"),
    _ratio("load-compared", 0.75, "pgloader", "numbers"),
    _ratio("load-compared", 1.0, "pgloader", "wide"),
    _ratio("load-compared", 0.12, "pgloader", "tables"),
    _ratio("load-again", 0.12, "pgloader", "tables"),
    *(_ratio("reconcile", 0.6, "load", shape) for shape in ("chat", "numbers", "wide", "texts")),
    *(_ratio("dry-run", 0.6, "load", shape) for shape in ("numbers", "wide", "texts", "rejects")),
    _ratio("load", 0.60, "duckdb"),
    _ratio("load", 0.65, "copy-csv"),
    _ratio("load-unvalidated", 0.45, "pgloader"),
    _ratio("load-unvalidated", 1.5, "limit"),
    _ratio("load-again", 1.0, "load"),
    _ratio("dry-run", 0.5, "load"),
    _ratio("schema", 0.35, "load"),
    Goal("reconcile", lambda result: result.rows_per_second, "rows/s", 200_000, at_least=True),
    _memory("load", 800),
    _memory("load-unvalidated", 450),
    _seconds("small", 6),
    _seconds("small-unvalidated", 2.5),
)


def reached(goal: Goal, results: Sequence[Result]) -> tuple[float, str] | None:
    """The figure, and the same as text with the range of the single rounds; None where it was not measured."""
    timed = {result.way.name: result for result in results if result.seconds}
    if goal.way not in timed or (goal.peer and goal.peer not in timed):
        return None
    result = timed[goal.way]
    if goal.peer is None:
        value = goal.figure(result)
        return value, f"{value:,.0f} {goal.unit}" if value >= 100 else f"{value:.2f} {goal.unit}"
    peer = timed[goal.peer]
    value = goal.figure(result) / goal.figure(peer)
    pairs = [ours / theirs for ours, theirs in zip(result.seconds, peer.seconds, strict=False)]
    return value, f"{value:.2f} ({min(pairs):.2f} – {max(pairs):.2f}) {goal.unit}"


def to_markdown(
    machine: dict[str, str], source: str, results: Sequence[Result], skipped: dict[str, str], shape: str = "chat"
) -> str:
    """The report: the machine, a table of the ways, what is missing, and a table of the goals."""
    lines = [", ".join(f"{name} {value}" for name, value in machine.items()), "", source, ""]
    lines += _ways_table(results)
    lines += ["", *(f"Skipped: {name} ({reason})." for name, reason in skipped.items())]
    lines += [f"Failed: {result.way.name}: {result.fault}" for result in results if result.fault]
    goals = list(_goals_table(results, shape))
    return "\n".join([*lines, "", *goals] if len(goals) > 2 else lines).rstrip() + "\n"


def _ways_table(results: Sequence[Result]) -> Iterator[str]:
    yield "| way | name | seconds (lowest – highest) | rows/s | CPU seconds | server's | peak memory, MB |"
    yield "|---|---|--:|--:|--:|--:|--:|"
    for result in results:
        if result.seconds:
            spread = f"{result.median_seconds:.1f} ({min(result.seconds):.1f} – {max(result.seconds):.1f})"
            figures = (
                f"{result.rows_per_second:,.0f}",
                f"{statistics.median(result.cpu_seconds):.1f}",
                f"{statistics.median(result.server_cpu_seconds):.1f}",
                f"{result.peak_megabytes:,.0f}",
            )
            yield f"| {result.way.title} | {result.way.name} | {spread} | {' | '.join(figures)} |"


def _goals_table(results: Sequence[Result], shape: str) -> Iterator[str]:
    yield "| goal | | reached | |"
    yield "|---|---|--:|---|"
    for goal in GOALS:
        figure = reached(goal, results) if goal.shape == shape else None
        if figure:
            yield f"| {goal.way} | {goal.text()} | {figure[1]} | {'met' if goal.met(figure[0]) else 'missed'} |"


def to_json(
    machine: dict[str, str], scale: float, results: Sequence[Result], skipped: dict[str, str], shape: str
) -> dict[str, object]:
    """The same with every single run."""
    return {
        "machine": machine,
        "scale": scale,
        "shape": shape,
        "ways": [
            {
                "name": result.way.name,
                "rows": result.rows,
                "seconds": result.seconds,
                "cpu_seconds": result.cpu_seconds,
                "server_cpu_seconds": result.server_cpu_seconds,
                "peak_bytes": result.peak_bytes,
                "fault": result.fault,
            }
            for result in results
        ],
        "skipped": skipped,
        "goals": [
            {"way": goal.way, "goal": goal.text(), "reached": figure[0], "met": goal.met(figure[0])}
            for goal in GOALS
            if goal.shape == shape and (figure := reached(goal, results))
        ],
    }
