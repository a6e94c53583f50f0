"""Pictures of both notebooks for the documents, from JupyterLab itself. `python tests/support/lab_pictures.py`.

The committed notebooks are shown as they are, trusted, in a window of 1280 px; Chromium has to be installed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from support.browser import Page, browser
from support.jupyter_lab import jupyter_lab, open_notebook
from support.notebook_runs import NOTEBOOKS

DOCS = NOTEBOOKS.parent / "docs"
WIDTH, HEIGHT = 1280, 860
TOP = {"explore": "What is really stored", "reconcile": "load_report("}  # what the picture begins with


def main() -> None:
    """Writes `docs/explore.png` and `docs/reconcile.png`."""
    with tempfile.TemporaryDirectory(prefix="etl-pictures-") as name:
        folder = Path(name)
        root = shutil.copytree(NOTEBOOKS, folder / "notebooks", ignore=shutil.ignore_patterns(".*"))
        _trust(root, folder)
        with jupyter_lab(root, folder) as url, browser(folder, width=WIDTH, height=HEIGHT) as page:
            for notebook, text in TOP.items():
                open_notebook(page, url, f"{notebook}.ipynb")
                _scroll_to(page, text)
                page.picture(DOCS / f"{notebook}.png")


def _trust(root: Path, folder: Path) -> None:
    """Else JupyterLab would take the style sheets out of the outputs."""
    environment = os.environ | {"JUPYTER_DATA_DIR": str(folder / "data")}
    command = [sys.executable, "-m", "nbformat.sign", *map(str, root.glob("*.ipynb"))]
    subprocess.run(command, env=environment, check=True)


def _scroll_to(page: Page, text: str) -> None:
    cell = f"[...document.querySelectorAll('.jp-Cell')].find((cell) => cell.innerText.includes({text!r}))"
    page.command("Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False)
    page.wait_for(f"!!{cell}")
    page.value(f"{cell}.scrollIntoView()")
    page.value("new Promise((done) => setTimeout(done, 1000))")


if __name__ == "__main__":
    main()
