"""The model of more workers: what it must say in cases that can be told by hand."""

import pytest

from tests.benchmarks.simulation import Measured, PartTime, makespan, saturates, to_markdown

EVEN = [PartTime(worker=2.0, server=1.0)] * 8


@pytest.mark.parametrize(
    ("workers", "server_cores", "seconds"),
    [
        (1, 1, 24.0),  # one after the other
        (8, 8, 3.0),  # all at once
        (8, 1, 10.0),  # the server takes one at a time, as soon as the first is ready
        (2, 8, 12.0),
    ],
)
def test_parts_wait_for_a_worker_and_for_a_core_of_the_server(workers: int, server_cores: int, seconds: float) -> None:
    assert makespan(EVEN, workers, server_cores) == seconds


def test_workers_and_server_may_share_the_cores_of_a_machine() -> None:
    assert makespan(EVEN, 8, 1, machine_cores=2) == 12.0


def test_what_no_worker_shortens_stays() -> None:
    measured = Measured(tuple(EVEN), seconds=30.0)
    assert measured.around == 6.0
    assert measured.predicted(8, 8) == 9.0
    assert saturates(measured, 1) == 4
    text = to_markdown(measured, Measured(tuple(EVEN), 18.0), single=28.0, machine_cores=2)
    assert "**Simulated** seconds" in text
    assert "| measured: `--workers 2` | 18.0 |" in text
    assert "Assumed:" in text


def test_more_rows_lengthen_parts_and_publication_but_not_the_start() -> None:
    measured = Measured(tuple(EVEN), seconds=30.0, publication=4.0)  # 24 s of parts, 2 s of start
    assert measured.times(10).seconds == 2.0 + 10 * 28.0
    assert measured.times(10).predicted(1, 1) == measured.times(10).seconds
