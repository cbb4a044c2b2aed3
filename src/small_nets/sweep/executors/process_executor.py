"""Trains runs that go alone in processes of this machine, each one run at a time."""

import multiprocessing
import signal
import sys
from collections.abc import Hashable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from small_nets.config.errors import InputError
from small_nets.sweep.cohorts.prepare import Means
from small_nets.sweep.executors.protocol import Ended
from small_nets.sweep.jobs.plan import Plan
from small_nets.sweep.store.part import Packed
from small_nets.sweep.store.store import Store
from small_nets.sweep.training.sink import PartFormat, RemoteSink
from small_nets.sweep.training.task import Done, Lost, Task, alone_seconds
from small_nets.sweep.training.worker import perform_task
from small_nets.system.signals import SIGNALS

STARTING = 10.0  # seconds that a process needs to import Lightning, on a slow machine
HELLO = "hello"
SPAWN = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork


def are_worth_it(plan: Plan, workers: int) -> bool:
    """Whether training the runs that go alone takes longer than starting processes."""
    seconds = alone_seconds([job for job, _ in plan.alone])
    return min(workers, len(plan.alone)) > 1 and seconds > STARTING


class Processes:
    """An executor with one process per worker. Used as a context, it ends them."""

    part_seconds = 0.0  # makes each task a single run

    def __init__(self, means: Means) -> None:
        self.means = means
        self.idle: list[_Process] = []
        self.busy: dict[Connection, _Process] = {}

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    def slots(self) -> int:
        return self.means.workers

    def waits(self) -> None:
        return None

    def submit(self, tasks: Sequence[Task], form: PartFormat) -> list[Hashable]:
        return [self._send((task, form.only(task.jobs))) for task in tasks]

    def _send(self, message: tuple[Task, PartFormat]) -> Connection:
        while True:
            process = self.idle.pop() if self.idle else _Process(self.means)
            self.busy[process.connection] = process
            try:
                process.connection.send(message)
            except BrokenPipeError:
                del self.busy[process.connection]
                process.refuse_stillborn()  # otherwise it died while idle: take another one
                continue
            return process.connection

    def ended(self, seconds: float, store: Store) -> list[Ended]:
        del store  # parts come back through the connection
        found: list[Ended] = []
        for connection in wait(list(self.busy), seconds):
            assert isinstance(connection, Connection)
            process = self.busy[connection]
            try:
                answer = connection.recv()
            except (EOFError, OSError):  # the process died, which closed its end of the pipe
                process.refuse_stillborn()
                del self.busy[connection]
                found.append((connection, Lost(process.death(), by_itself=True)))
                continue
            if answer == HELLO:
                process.has_begun = True
                continue
            if isinstance(answer, OSError):
                raise answer
            self.idle.append(self.busy.pop(connection))
            found.append((connection, answer))
        return found

    def cancel(self) -> None:
        for process in [*self.idle, *self.busy.values()]:
            process.kill()
        self.idle, self.busy = [], {}


class _Process:
    """A process and the connection to it. has_begun: whether it has sent HELLO."""

    def __init__(self, means: Means) -> None:
        self.has_begun = False
        self.connection, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=_serve, args=(theirs, means), daemon=True)
        # A signal to all processes of a terminal or a container is handled by the driver alone.
        # A process inherits the blocked signals, so they are blocked while it imports, too.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()  # otherwise the end of the process would not be seen here

    def death(self) -> str:
        self.process.join()
        code = self.process.exitcode
        how = f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name
        return f"a process ended with {how}"

    def refuse_stillborn(self) -> None:
        """Raises InputError or OSError where the process died before it had begun.

        The next one would die in the same way.
        """
        if self.has_begun or self._said_hello():
            return
        why = f"before it had begun to train, {self.death()}"
        main = sys.modules["__main__"]
        is_script = getattr(main, "__file__", None) is not None and main.__spec__ is None
        if is_script and self.process.exitcode == 1:  # it raised, and Python printed that
            raise InputError(
                f"{why}: each process imports {main.__file__}, which must not sweep again then.\n"
                'Fix: if __name__ == "__main__": around what that file does, or executor.workers=1'
            )
        raise OSError(why)

    def _said_hello(self) -> bool:
        with suppress(EOFError, OSError):  # it died before its HELLO was read
            return self.connection.poll() and self.connection.recv() == HELLO
        return False

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def _serve(connection: Connection, means: Means) -> None:
    """Train each task that is received, until the other end is closed."""
    with suppress(EOFError, BrokenPipeError):
        connection.send(HELLO)
        while True:
            task, form = connection.recv()
            connection.send(_answer(task, form, means))


def _answer(task: Task, form: PartFormat, means: Means) -> Any:
    parts: list[Packed] = []
    try:
        return Done(perform_task(task, RemoteSink(form, parts.append), means), parts)
    except OSError as error:
        return error
    except Exception as error:  # a fault of this machine, which the next process would meet too
        return OSError(f"a process failed: {type(error).__name__}: {error}")
