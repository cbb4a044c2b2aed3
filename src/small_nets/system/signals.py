"""Ctrl-C, SIGTERM and SIGHUP: a run ends at the end of an epoch, from where it can go on."""

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# 128 and the signal's number, as a shell has it: 130, 143, 129.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN = "Ctrl-C, or a signal, once more ends it at once"
SHOW_CURSOR = "\x1b[?25h"  # which a progress bar hides


class _State:
    """received: the last signal. blocks: those that honour it. actions: before an end at once.

    is_command: whether this process is a command of ours, and not a notebook or a test.
    """

    is_command = False
    received: int | None = None
    blocks: list[Callable[[str], None]] = []  # noqa: RUF012
    actions: list[Callable[[], object]] = []  # noqa: RUF012


def take_signals() -> None:
    """From here on a signal ends this command: at once, or where an `interruption` honours it.

    The first thing that a command does, before anything is imported that an exception would end
    in a traceback. A signal that is ignored, as by nohup, stays so; but not Ctrl-C, which a script
    ignores for what it starts in the background, and so for all that is below it.
    """
    for number in SIGNALS:
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _answer)
    if not _State.is_command:
        _State.is_command = True
        # The last of the exit handlers: all is written, and modules are about to go.
        atexit.register(_ignore)


def was_interrupted() -> bool:
    """Whether a signal has come, which the command honours."""
    return _State.received is not None


def exit_code() -> int:
    """Of a command that was interrupted."""
    return 128 + (_State.received or signal.SIGINT)


@contextmanager
def interruption(say: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Within the block, the first signal sets a flag; the function it yields reads it.

    say: told so. A second one ends the program at once: a command with what `at_end` holds, a
    notebook's call by KeyboardInterrupt. There only Ctrl-C is honoured, and only in the main
    thread: elsewhere signals cannot be caught.
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
    """Within the block, a command that a signal ends at once does this first. It may fail."""
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
    """End at once, and without an exception.

    Libraries turn one that is raised while they are imported into others, and Python prints one
    that is raised in a finalizer and goes on.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    for action in reversed(_State.actions):
        with suppress(Exception):  # others are to be done all the same
            action()
    for stream, text in ((sys.stdout, ""), (sys.stderr, "interrupted\n")):
        with suppress(Exception):  # closed, or being written to as the signal came
            stream.write((SHOW_CURSOR if stream.isatty() else "") + text)
            stream.flush()
    os._exit(code)


def _leave_terminal() -> None:
    """Where the terminal is gone, what is said goes nowhere: it would be an error of the disk."""
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
