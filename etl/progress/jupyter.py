"""The bar in a notebook: an output of the cell that is drawn anew while a run goes on, and says at last what was done.

It is rich's bar as HTML, for which a notebook needs no widgets.
"""

import io
import threading
from types import TracebackType
from typing import Any, Self

from rich.console import Console, RenderableType

from etl.core.display import as_written
from etl.progress.bar import ActivityBar
from etl.progress.observer import ProgressObserver

EVERY_SECONDS = 0.3
_COLUMNS = 110
_HTML = '<pre style="white-space: pre; line-height: normal; margin: 0; color: inherit">{code}</pre>'


class JupyterProgress(ProgressObserver):
    """Shows the bar from the beginning of a `with` statement to its end."""

    def __init__(self) -> None:
        super().__init__(ActivityBar(shown=False))
        self._ended = threading.Event()
        self._drawer = threading.Thread(target=self._draw, name="etl-progress", daemon=True)
        self._display: Any = None

    def __enter__(self) -> Self:
        from IPython.display import display

        self._display = display(_bundle(self.bar.drawn()), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        self._drawer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._drawer.join()
        last = f"✓ {self.summary()}" if error is None else f"✗ stopped: {self.bar.text}"
        self._display.update(_bundle(last), raw=True)

    def _draw(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            self._display.update(_bundle(self.bar.drawn()), raw=True)


def _bundle(shown: RenderableType) -> dict[str, str]:
    console = Console(
        file=io.StringIO(), record=True, width=_COLUMNS, force_jupyter=False, markup=False, highlight=False
    )
    console.print(shown)
    html = console.export_html(code_format=_HTML, inline_styles=True, clear=False)
    return {"text/html": as_written(html.strip()), "text/plain": console.export_text().strip()}
