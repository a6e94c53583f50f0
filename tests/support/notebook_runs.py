"""Runs a notebook from top to bottom in a folder of its own. `python tests/support/notebook_runs.py` renews outputs.

The folder looks like a fresh checkout: `notebooks/` and nothing else; sample, server and reports come into being in it.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = ("explore.ipynb", "reconcile.ipynb")
CELL_SECONDS = 120
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
_TARGET = ("DATABASE_URL", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGSERVICE", "PGSERVICEFILE")


def run(
    name: str,
    project: Path,
    parameters: Mapping[str, object] | None = None,
    *,
    mending: Mapping[str, object] | None = None,
) -> NotebookNode:
    """The notebook with its outputs, run as Jupyter would from `project/notebooks`; raises where a cell does.

    `parameters` and `mending` follow the cells with these tags.
    """
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    for tag, values in (("parameters", parameters), ("mending", mending)):
        for cell in notebook.cells:
            if values and tag in cell.metadata.get("tags", ()):
                cell.source += "".join(f"\n{name} = {value!r}" for name, value in values.items())
    folder = project / "notebooks"
    folder.mkdir(exist_ok=True)
    shutil.copy(NOTEBOOKS / name, folder)
    with _without_target():
        client = NotebookClient(
            notebook, timeout=CELL_SECONDS, record_timing=False, resources={"metadata": {"path": str(folder)}}
        )
        client.execute()
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


@contextmanager
def _without_target() -> Iterator[None]:
    """The environment of a machine that knows of no PostgreSQL."""
    kept = {name: os.environ.pop(name) for name in _TARGET if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that can be run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def normalised(notebook: NotebookNode) -> list[list[dict[str, object]]]:
    """The outputs of each code cell without what may differ from run to run; a picture counts as there."""
    return [[_normalised(output) for output in cell.outputs] for cell in code_cells(notebook)]


def _normalised(output: NotebookNode) -> dict[str, object]:
    text = json.loads(_RUN_ID.sub("RUN_ID", json.dumps(output)))
    if "image/png" in text.get("data", {}):
        text["data"]["image/png"] = "a picture"
    text.pop("execution_count", None)
    return dict(text)


def refresh() -> None:
    """Runs both notebooks on the sample and writes them back with their outputs."""
    with tempfile.TemporaryDirectory(prefix="etl-notebooks-") as folder:
        for name in NAMES:
            nbformat.write(run(name, Path(folder)), NOTEBOOKS / name)


if __name__ == "__main__":
    sys.exit(refresh())
