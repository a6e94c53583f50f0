"""In a notebook's kernel: a bar that ends as one line, interruptions and errors without our frames."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel
from support.database import Database

from etl.sample.build import make_sample

SETUP = """
import os, signal, time, etl
from etl.runs.observer import Observer
class Stopping(Observer):
    def planned(self, plan):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
"""


@pytest.fixture(scope="module")
def kernel() -> Iterator[BlockingKernelClient]:
    manager, client = start_new_kernel()
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def outputs(kernel: BlockingKernelClient, code: str) -> list[dict[str, object]]:
    """The contents of what a cell puts out: displays with their updates, results, errors, printed text."""
    found: list[dict[str, object]] = []

    def hear(message: dict[str, dict[str, object]]) -> None:
        kind = message["header"]["msg_type"]
        if kind in ("display_data", "update_display_data", "execute_result", "error", "stream"):
            found.append({"kind": kind, **message["content"]})

    kernel.execute_interactive(code, output_hook=hear, timeout=60)
    return found


def test_bar_interruption_and_error(kernel: BlockingKernelClient, database: Database, tmp_path: Path) -> None:
    make_sample(tmp_path / "demo.db")
    place = f"{str(tmp_path / 'demo.db')!r}, {database.url!r}"
    setup = f"{SETUP}\nos.chdir({str(tmp_path)!r})"
    assert outputs(kernel, setup) == []

    shown = outputs(kernel, f"done = etl.migrate({place}, create_schema=True, validate=False)")
    assert {item["kind"] for item in shown} == {"display_data", "update_display_data"}
    assert "Starting" in str(shown[0]["data"])
    assert shown[-1]["data"]["text/plain"] == "✓ 820 rows read, 820 rows compared"  # type: ignore[index]

    stopped = outputs(kernel, f"etl.migrate({place}, observer=Stopping())")
    assert [item["kind"] for item in stopped] == ["error"]
    line = "Interrupted: Nothing was committed: the target is as it was. Running again is safe."
    assert stopped[0]["traceback"] == [line]

    wrong = outputs(kernel, f"etl.compare('no\\x1bthing.db', {database.url!r})")
    assert [item["kind"] for item in wrong] == ["display_data", "update_display_data", "error"]
    assert wrong[1]["data"]["text/plain"].startswith("✗ stopped: ")  # type: ignore[index]
    traceback = wrong[2]["traceback"]
    assert isinstance(traceback, list)
    assert len(traceback) == 1
    assert traceback[0].startswith("SourceError: ")
    assert "no�thing.db" in traceback[0]
