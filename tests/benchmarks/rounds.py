"""Takes the ways in turn, round after round, each on a database of its own, and looks at what it left behind."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.benchmarks.cluster import CHANGED, LOADED, MISSING, Cluster
from tests.benchmarks.measure import Run, run
from tests.benchmarks.results import Result
from tests.benchmarks.shapes import SEED, Shape, row_counts
from tests.benchmarks.ways import WAYS, Scene, Size, Way

DATABASE = "bench"


@dataclass(frozen=True)
class Rounds:
    """Where it happens: SQLite files are kept in `work` and used again, `scratch` is thrown away by the caller."""

    cluster: Cluster
    work: Path
    scratch: Path
    scale: float
    shape: Shape
    say: Callable[[str], object]

    @property
    def source(self) -> str:
        """The benchmark database in words."""
        path = self._sqlite(Size.WHOLE)
        counts = row_counts(path)
        size = f"{path.stat().st_size / 1e6:,.0f} MB of SQLite"
        return f"{self.shape.title}: {sum(counts.values()):,} rows in {len(counts):,} tables, {size}"

    def compare(self, ways: Sequence[Way], rounds: int) -> tuple[list[Result], dict[str, str]]:
        """The result of every way, and why others were skipped. A way with a fault takes part no more."""
        skipped = {way.name: reason for way in ways if (reason := way.missing(self.cluster))}
        ready = [way for way in ways if way.name not in skipped]
        self._prepare(ready)
        results = [Result(way, sum(row_counts(self._sqlite(way.size)).values())) for way in ready]
        for turn in range(rounds + 1):
            for result in results:
                if result.fault is None:
                    self._take_turn(result, turn, rounds)
        return results, skipped

    def _take_turn(self, result: Result, turn: int, rounds: int) -> None:
        """Round 0 warms the caches and watches the memory; its seconds do not count."""
        done, result.fault = self._run(result.way, watch_memory=turn == 0)
        self.say(f"round {turn} of {rounds}: {result.way.name} {done.seconds:.1f} s {result.fault or ''}".rstrip())
        if done.peak_bytes is not None:
            result.peak_bytes = done.peak_bytes
        elif result.fault is None:
            result.seconds.append(done.seconds)
            result.cpu_seconds.append(done.cpu_seconds)
            result.server_cpu_seconds.append(done.server_cpu_seconds)

    def _run(self, way: Way, *, watch_memory: bool = False) -> tuple[Run, str | None]:
        """Run a way once on its fresh database; what is wrong with what it did, or None."""
        scene = self._scene(way)
        shutil.rmtree(scene.folder / "report", ignore_errors=True)
        command = way.command(scene)
        self.cluster.create(DATABASE, way.template)
        self.cluster.run("CHECKPOINT")
        server_before = self.cluster.cpu_seconds()
        done = run(command, watch_memory=watch_memory)
        done = replace(done, server_cpu_seconds=self.cluster.cpu_seconds() - server_before)
        return done, self._fault(way, done)

    def _fault(self, way: Way, done: Run) -> str | None:
        if done.exit_code != (3 if self.shape.arriving and way.ours else 0):
            return f"exit code {done.exit_code}\n{done.messages}"
        arriving = row_counts(self._sqlite(way.size), self.shape.arriving)
        expected = arriving if way.leaves_rows else dict.fromkeys(arriving, 0)
        found = self.cluster.count_rows(DATABASE, expected)
        wrong = [f"{table} {found[table]:,} of {rows:,}" for table, rows in expected.items() if found[table] != rows]
        return f"rows in the target: {', '.join(wrong)}" if wrong else None

    # -- what the ways are given --------------------------------------------------------------------------------------

    def _prepare(self, ways: Sequence[Way]) -> None:
        self.cluster.create_empty(self.shape.target)
        if any(way.template in (LOADED, CHANGED, MISSING) or way.prepare for way in ways):
            self._make_loaded()
        for template in {way.template for way in ways} & {CHANGED, MISSING}:
            self.cluster.create_changed(template)
        for way in ways:
            if way.prepare:
                way.prepare(self._scene(way))

    def _make_loaded(self) -> None:
        """The template of a full target, in the state in which autovacuum leaves it."""
        way = next(way for way in WAYS if way.name == "load-unvalidated")
        _, fault = self._run(way)
        if fault:
            raise RuntimeError(f"The benchmark database cannot be loaded: {fault}")
        self.cluster.create(LOADED, DATABASE)
        self.cluster.run_in(LOADED, "VACUUM (ANALYZE)")

    def _scene(self, way: Way) -> Scene:
        folder = self.scratch / way.name
        folder.mkdir(exist_ok=True)
        return Scene(self.cluster, self._sqlite(way.size), DATABASE, folder)

    def _sqlite(self, size: Size) -> Path:
        scale = {Size.WHOLE: self.scale, Size.TENTH: self.scale / 10, Size.TWENTY_ROWS: 0.0}[size]
        shape = "" if self.shape.name == "chat" else f"-{self.shape.name}"
        path = self.work / f"seed-{SEED}{shape}-scale-{scale:g}.db"
        if not path.exists():
            self.say(f"makes {path}")
            self.shape.make(path, scale)
        return path
