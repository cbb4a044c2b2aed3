"""A progress bar in a notebook, or a line on the terminal."""

import html
import sys
import time
from types import TracebackType
from typing import Any, Self

INTERVAL = 0.3  # seconds between two redraws


class ProgressBar:
    """A bar that redraws itself in the cell's output.

    HTML of its own, updated in place by IPython's display: rich's and tqdm's bars need
    ipywidgets on both sides, the kernel and the page, and without them print line after line.
    Where there is no notebook, only the last line is printed.
    """

    def __init__(self) -> None:
        self.handle: Any = None
        self.drawn = 0.0
        self.share = 0.0

    def __enter__(self) -> Self:
        display = _display()
        if display is not None:
            self.handle = display(_Html(_bar(0.0, "preparing")), display_id=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if kind is not None and self.handle is not None:
            self.handle.update(_Html(_bar(self.share, "stopped")))

    def show(self, share: float, text: str) -> None:
        """Redraw, at most every INTERVAL seconds. share: what is done, 0 to 1."""
        self.share = share
        if self.handle is not None and time.monotonic() - self.drawn > INTERVAL:
            self.drawn = time.monotonic()
            self.handle.update(_Html(_bar(share, text)))

    def close(self, text: str) -> None:
        """The bar gives way to a line."""
        if self.handle is not None:
            self.handle.update(_Html(f"<p>{html.escape(text)}</p>"))
        else:
            print(text)


class _Html:
    def __init__(self, text: str) -> None:
        self.text = text

    def _repr_html_(self) -> str:
        return self.text


def _bar(share: float, text: str) -> str:
    return (
        f'<progress value="{share:.4f}" max="1" style="width: 20em" '
        f'aria-label="share of the sweep that is done"></progress> {share:.0%} {html.escape(text)}'
    )


def _display() -> Any:
    """IPython's display where a kernel shows rich output, else None."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    return display
