"""Ctrl-C, SIGTERM and SIGHUP: a run stops at the end of an epoch, and can be continued there."""

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# Exit codes are 128 plus the signal's number, as in a shell: 130, 143, 129.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN = "Ctrl-C, or a signal, once more ends it at once"
SHOW_CURSOR = "\x1b[?25h"  # a progress bar hides the cursor


class _State:
    """What this process knows of signals.

    is_command: whether it is one of our commands, not a notebook or a test. received: the number
    of the last signal. blocks: the `say` of each open `interruption`. actions: what `at_end` does
    before the process ends at once.
    """

    is_command = False
    received: int | None = None
    blocks: list[Callable[[str], None]] = []  # noqa: RUF012
    actions: list[Callable[[], object]] = []  # noqa: RUF012


def take_signals() -> None:
    """Handle signals from here on: end at once, or within an `interruption` where it allows.

    A command calls this first, before slow imports: an exception in the middle of one would show
    a traceback. A signal that is ignored, as nohup does, stays ignored. Ctrl-C does not, because a
    script ignores it for everything that it starts in the background.
    """
    for number in SIGNALS:
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _answer)
    if not _State.is_command:
        _State.is_command = True
        # Registered first, so it runs last: everything is written, and modules are about to go.
        atexit.register(_ignore)


def was_interrupted() -> bool:
    """Whether a signal asked this process to stop."""
    return _State.received is not None


def exit_code() -> int:
    """The exit code of a command that was interrupted."""
    return 128 + (_State.received or signal.SIGINT)


@contextmanager
def interruption(say: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Within the block, the first signal only sets a flag. The yielded function reads it.

    say: called with a message at the first signal. A second signal ends a command at once, after
    the actions of `at_end`, and raises KeyboardInterrupt in a notebook. A notebook handles only
    Ctrl-C, and only in its main thread, because Python allows no handler elsewhere.
    """
    before = None
    if not _State.is_command and not _State.blocks:
        _State.received = None
        with suppress(ValueError):  # not in the main thread
            before = signal.signal(signal.SIGINT, _answer)
    _State.blocks.append(say)
    try:
        yield was_interrupted
    finally:
        _State.blocks.pop()
        if before is not None:
            signal.signal(signal.SIGINT, before)
        if not _State.is_command and not _State.blocks:
            _State.received = None


@contextmanager
def at_end(action: Callable[[], object]) -> Iterator[None]:
    """Within the block, a command that a signal ends at once calls `action` first.

    An exception of the action is ignored.
    """
    _State.actions.append(action)
    try:
        yield
    finally:
        _State.actions.remove(action)


def _answer(number: int, _: FrameType | None) -> None:
    is_first = _State.received is None
    _State.received = number
    if number == signal.SIGHUP:
        _leave_terminal()
    if is_first and _State.blocks:
        try:
            _State.blocks[-1](f"finishing what is under way; {AGAIN}")
        except RuntimeError:  # the signal came while the same stream was being written
            os.write(2, b"finishing what is under way\n")
        return
    if not _State.is_command:
        raise KeyboardInterrupt
    _end(128 + number)


def _end(code: int) -> None:
    """End the process at once, without an exception.

    A library that is being imported would turn the exception into another one. In a finalizer
    Python would print it and go on.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    for action in reversed(_State.actions):
        with suppress(Exception):  # the other actions still run
            action()
    for stream, text in ((sys.stdout, ""), (sys.stderr, "interrupted\n")):
        with suppress(Exception):  # the stream is closed, or was in use when the signal came
            stream.write((SHOW_CURSOR if stream.isatty() else "") + text)
            stream.flush()
    os._exit(code)


def _leave_terminal() -> None:
    """Discard output where the terminal is gone: writing to it would raise OSError."""
    for number in (1, 2):
        try:
            os.write(number, b"")
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)


def _ignore() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
