"""A JupyterLab of its own on 127.0.0.1, with settings of its own, and its notebooks in a browser."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from support.browser import SECONDS, Page

LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"


@contextmanager
def jupyter_lab(root: Path, home: Path, *, theme: str = LIGHT, variables: Mapping[str, str] = {}) -> Iterator[str]:
    """The URL of a JupyterLab that shows the files in `root`; whatever it keeps lies in `home`."""
    _write_settings(home / "settings", theme)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    places = {
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
        "IPYTHONDIR": home / "ipython",
    }
    environment = {**os.environ, **{name: str(path) for name, path in places.items()}, **variables}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.root_dir={root}"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--IdentityProvider.token=", "--core-mode"]
    with (home / "lab.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _await(url, process)
        yield url
    finally:
        process.terminate()
        process.wait()


def _write_settings(folder: Path, theme: str) -> None:
    settings = {
        "notebook-extension/tracker": {"windowingMode": "none"},  # every cell is drawn, not only those in view
        "apputils-extension/themes": {"theme": theme},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    }
    for name, values in settings.items():
        path = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))


def _await(url: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + SECONDS
    while True:
        try:
            with urlopen(f"{url}/api", timeout=SECONDS):
                return
        except URLError:
            assert process.poll() is None, "JupyterLab has ended"
            assert time.monotonic() < end, "JupyterLab does not answer"
            time.sleep(0.1)


def open_notebook(page: Page, url: str, name: str) -> None:
    """Shows a notebook beside the file browser, and waits until all of its outputs are drawn."""
    page.open(f"{url}/lab/tree/{name}?reset")
    page.wait_for("!!document.querySelector('.jp-Notebook .jp-Cell')")
    page.wait_for("!document.querySelector('#jupyterlab-splash')")
    page.wait_for("![...document.querySelectorAll('.jp-MarkdownOutput')].some((cell) => !cell.innerText.trim())")
