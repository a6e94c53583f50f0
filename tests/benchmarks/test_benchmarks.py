"""The benchmark command, small: every way of ours and the limit does its work, and the report says so."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.benchmarks.cluster import Cluster
from tests.benchmarks.results import GOALS, Goal, Result, reached, to_markdown
from tests.benchmarks.shapes import SHAPES, Shape, row_counts
from tests.benchmarks.ways import WAYS, Scene, Way

ROOT = Path(__file__).parents[2]
# Enough to go through all of the benchmark's machinery; each is run twice, and validation costs seconds to begin with.
MEASURED = ("load-unvalidated", "reconcile", "limit")


def benchmark(work: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.benchmarks", "--work", str(work), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_counts_and_prints_every_way(tmp_path: Path) -> None:
    options = ["--scale", "0.001", "--rounds", "1", "--only", ",".join(MEASURED), "--json", str(tmp_path / "runs.json")]
    done = benchmark(tmp_path, *options)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Failed" not in done.stdout
    assert "Skipped" not in done.stdout
    for name in MEASURED:
        assert f"| {name} |" in done.stdout
    ways = {way["name"]: way for way in json.loads((tmp_path / "runs.json").read_text())["ways"]}
    assert set(ways) == set(MEASURED)
    assert all(way["rows"] > 1000 and len(way["seconds"]) == 1 for way in ways.values())
    assert ways["load-unvalidated"]["peak_bytes"] > 20e6
    # the server and the scratch files are gone; the source remains for the next time
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".db") == ["seed-1-scale-0.001.db"]
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


@pytest.mark.parametrize("way", [way for way in WAYS if "etl." in way.title], ids=lambda way: way.name)
def test_our_commands_take_the_options_that_we_measure(way: Way, tmp_path: Path) -> None:
    cluster = Cluster(URL.create("postgresql+psycopg2", query={"host": "/nowhere"}), tmp_path, "none")
    _, _, module, *options = way.command(Scene(cluster, tmp_path / "a.db", "bench", tmp_path))
    parser = import_module(module).build_parser()
    assert parser.parse_args(options).sqlite == tmp_path / "a.db"


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape.target], ids=lambda shape: shape.name)
def test_shapes_come_out_the_same_and_name_known_ways(shape: Shape, tmp_path: Path) -> None:
    files = [tmp_path / "a.db", tmp_path / "b.db"]
    for file in files:
        shape.make(file, 0.001)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert all(row_counts(files[0]).values())
    assert set(shape.ways) <= {way.name for way in WAYS}


def test_measures_another_shape(tmp_path: Path) -> None:
    options = ["--shape", "rejects", "--scale", "0.001", "--rounds", "1", "--only", "load-unvalidated"]
    done = benchmark(tmp_path, *options)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "500,000 rows, each fiftieth refused: 500 rows in 1 tables" in done.stdout
    assert "Failed" not in done.stdout


def test_names_an_unknown_way(tmp_path: Path) -> None:
    done = benchmark(tmp_path, "--only", "load,faster")

    assert done.returncode == 2
    assert "faster" in done.stderr


def test_goals_name_ways() -> None:
    names = {way.name for way in WAYS}
    assert {goal.way for goal in GOALS} | {goal.peer for goal in GOALS if goal.peer} <= names


def result(name: str, *seconds: float) -> Result:
    way = next(way for way in WAYS if way.name == name)
    nothing = [0.0] * len(seconds)
    return Result(way, 1_000, list(seconds), cpu_seconds=nothing, server_cpu_seconds=nothing)


def goal_of(way: str, peer: str) -> Goal:
    return next(goal for goal in GOALS if (goal.way, goal.peer) == (way, peer))


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [((5.0, 6.0, 20.0), "met"), ((6.0, 6.2, 6.4), "missed")],
)
def test_compares_medians(ours: tuple[float, ...], verdict: str) -> None:
    report = to_markdown({}, "", [result("load", *ours), result("pgloader", 10.0, 10.0, 10.0)], {})
    line = next(line for line in report.splitlines() if "× pgloader" in line)
    assert line.endswith(f"| {verdict} |")


def test_a_ratio_comes_with_the_range_of_its_rounds() -> None:
    figure = reached(goal_of("load", "duckdb"), [result("load", 5.0, 6.0, 9.0), result("duckdb", 10.0, 12.0, 20.0)])
    assert figure == (0.5, "0.50 (0.45 – 0.50) × duckdb")


def test_names_what_is_missing_and_what_failed() -> None:
    failed = result("limit")
    failed.fault = "rows in the target: users 1 of 2"
    report = to_markdown({}, "", [failed], {"pgloader": "pgloader is not installed"})
    assert "Skipped: pgloader (pgloader is not installed)." in report
    assert "Failed: limit: rows in the target: users 1 of 2" in report
