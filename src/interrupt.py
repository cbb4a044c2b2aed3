"""Ctrl-C as a flag: a run stops at the end of an epoch, from where it can go on to the bit."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interruption(say: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Within the block, the first Ctrl-C sets a flag; the function it yields reads it.

    A second one ends the program at once. Outside the main thread signals cannot be caught,
    and the flag stays down.
    """
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set
        return

    def handle(number: int, frame: object) -> None:
        if pressed.is_set():
            raise SystemExit(130)
        pressed.set()
        say("finishing this epoch; Ctrl-C again stops at once")

    handle.is_ours = True  # type: ignore[attr-defined]
    before = signal.signal(signal.SIGINT, handle)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed.is_set() and getattr(before, "is_ours", False):
            before(signal.SIGINT, None)  # type: ignore[operator]  # a sweep around this run
