"""Chromium without a window, told what to do over its devtools protocol: pages are looked at as people see them."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import websocket

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
SECONDS = 60.0  # for whatever is waited for


class Page:
    """One page of a browser."""

    def __init__(self, devtools: str) -> None:
        self._socket = websocket.create_connection(devtools, timeout=SECONDS, suppress_origin=True)
        self._count = 0

    def command(self, method: str, **parameters: object) -> dict[str, object]:
        """The answer to a command of the protocol."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def value(self, expression: str) -> object:
        """What a JavaScript expression evaluates to; a promise is awaited."""
        answer = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")  # type: ignore[attr-defined]

    def open(self, url: str) -> None:
        """Goes to the page."""
        self.command("Page.navigate", url=url)

    def wait_for(self, condition: str) -> None:
        """Until a JavaScript expression is true; raises AssertionError where that takes too long."""
        end = time.monotonic() + SECONDS
        while not self.value(condition):
            assert time.monotonic() < end, f"{condition}: {self.value('document.body.innerText')}"
            time.sleep(0.1)

    def picture(self, path: Path, clip: dict[str, float] | None = None) -> None:
        """Writes what is in view, or a part of the page, as a PNG."""
        part = {"clip": {**clip, "scale": 1}, "captureBeyondViewport": True} if clip else {}
        answer = self.command("Page.captureScreenshot", format="png", **part)
        path.write_bytes(base64.b64decode(str(answer["data"])))

    def close(self) -> None:
        """Leaves the page."""
        self._socket.close()


@contextmanager
def browser(folder: Path, *, width: int = 1280, height: int = 900) -> Iterator[Page]:
    """A page of a browser of its own, whose profile is in `folder`."""
    assert BROWSER is not None
    profile = folder / "profile"
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")
    place = (f"--user-data-dir={profile}", "--remote-debugging-port=0", f"--window-size={width},{height}")
    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen([BROWSER, *flags, *place, "about:blank"], stdout=log, stderr=log)
    try:
        port = _port(profile / "DevToolsActivePort")
        with urlopen(f"http://127.0.0.1:{port}/json", timeout=SECONDS) as answer:
            targets = json.load(answer)
        page = Page(next(target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page"))
        try:
            yield page
        finally:
            page.close()
    finally:
        process.terminate()
        process.wait()


def _port(path: Path) -> int:
    end = time.monotonic() + SECONDS
    while not (path.exists() and path.read_text().strip()):
        assert time.monotonic() < end, "the browser does not start"
        time.sleep(0.05)
    return int(path.read_text().split()[0])
