"""Times whole commands that load the benchmark database into PostgreSQL: ours, our peers' and the limit.

Each runs from process start to exit, on a fresh database of a PostgreSQL of the benchmark's own. A first round warms
the caches and measures memory; in the timed rounds every way has its turn. What each leaves behind is counted. The
report goes to stdout, progress to stderr.

exit codes: 0 all ways did their work, 1 one of ours did not, 2 wrong usage
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from tests.benchmarks.cluster import running_cluster
from tests.benchmarks.machine import describe
from tests.benchmarks.results import Result, to_json, to_markdown
from tests.benchmarks.rounds import Rounds
from tests.benchmarks.shapes import SHAPES
from tests.benchmarks.simulation import Measured
from tests.benchmarks.simulation import to_markdown as simulation_to_markdown
from tests.benchmarks.ways import WAYS

SIMULATED_FROM = ("load", "workers-1", "workers-2")
DEFAULT_WORK = Path("data/benchmark")


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--scale", type=float, default=1.0, help="1 means 1,096,476 rows, 400 MB (default)")
    parser.add_argument(
        "--shape",
        choices=[shape.name for shape in SHAPES],
        default="chat",
        help=f"which database: {'; '.join(f'{shape.name}: {shape.title}' for shape in SHAPES)} (default chat)",
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="timed rounds (default 5)")
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=[],
        metavar="A,B",
        help=f"only these ways: {', '.join(way.name for way in WAYS)} (default: those that suit the shape)",
    )
    parser.add_argument(
        "--postgres", type=Path, metavar="BIN_DIR", help="folder of the server's programs (default: the embedded one's)"
    )
    parser.add_argument(
        "--work", type=Path, default=DEFAULT_WORK, metavar="DIR", help=f"working folder (default {DEFAULT_WORK})"
    )
    parser.add_argument(
        "--simulate",
        action="store_true",
        help="measure loads by 1 and 2 workers, and put their parts into a model of more workers and server cores",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single run there")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; returns its exit code."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    unknown = set(options.only) - {way.name for way in WAYS}
    if unknown or options.rounds < 1 or options.scale <= 0:
        parser.error(f"no such way: {', '.join(sorted(unknown))}" if unknown else "--rounds and --scale begin above 0")
    shape = next(shape for shape in SHAPES if shape.name == options.shape)
    wanted = options.only or shape.ways or [way.name for way in WAYS]
    work = options.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    with (
        running_cluster(work / "postgres", options.postgres) as cluster,
        tempfile.TemporaryDirectory(dir=work, prefix="scratch-") as scratch,
    ):
        machine = describe(cluster)
        if options.simulate:
            wanted = SIMULATED_FROM
        rounds = Rounds(cluster, work, Path(scratch), options.scale, shape, lambda line: sys.stderr.write(f"{line}\n"))
        results, skipped = rounds.compare([way for way in WAYS if way.name in wanted], options.rounds)
        sys.stdout.write(
            to_markdown(machine, f"{rounds.source}; timed rounds: {options.rounds}", results, skipped, shape.name)
        )
        if options.simulate and not any(result.fault for result in results):
            sys.stdout.write("\n" + _simulated(results, Path(scratch)))
    if options.json:
        data = to_json(machine, options.scale, results, skipped, shape.name)
        options.json.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return int(any(result.fault and result.way.ours for result in results))


def _simulated(results: Sequence[Result], scratch: Path) -> str:
    """The model beside what was measured: the median of the ways, and the parts of the latest round."""
    single, one, two = (median(result.seconds) for result in results)
    parts = [Measured.read(scratch / name / "report") for name in SIMULATED_FROM[1:]]
    whole = [replace(found, seconds=seconds) for found, seconds in zip(parts, (one, two), strict=True)]
    return simulation_to_markdown(whole[0], whole[1], single, os.cpu_count() or 1)


if __name__ == "__main__":
    sys.exit(main())
