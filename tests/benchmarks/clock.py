"""Where a program's seconds go: its functions wrapped from outside, as a profiler would.

A phase's seconds are its own: what it spends in a function of another phase counts there. Threads
are added up, so that phases that overlap are more than the whole.
"""

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Clock:
    """seconds, cpu: by phase, of the clock and of the thread's core. calls: by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self._lock, self._local = threading.Lock(), threading.local()

    def wrap(self, owner: Any, name: str, phase: str) -> None:
        """Count a function, of a module or a class, to a phase from now on."""
        real: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(real)
        def timed(*arguments: Any, **named: Any) -> Any:
            with self.phase(phase):
                return real(*arguments, **named)

        setattr(owner, name, timed)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What happens within counts to a phase."""
        stack: list[tuple[float, float]] = self._local.__dict__.setdefault("stack", [])
        stack.append((0.0, 0.0))  # of the phases within this one
        began, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            whole = time.perf_counter() - began, time.thread_time() - cpu
            within = stack.pop()
            if stack:
                stack[-1] = (stack[-1][0] + whole[0], stack[-1][1] + whole[1])
            with self._lock:
                self.calls[name] = self.calls.get(name, 0) + 1
                self.seconds[name] = self.seconds.get(name, 0.0) + whole[0] - within[0]
                self.cpu[name] = self.cpu.get(name, 0.0) + whole[1] - within[1]
