"""Jobs in several processes: jobs that share work go to one process, one after another.

The parent hands out one job at a time and gets its result before the next, so it knows which job a
process died of. Workers touch no file of the run directory and do not outlive the parent.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait

from simclr_bench.errors import JobError, SimclrBenchError
from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.experiments.running.attempt import Attempt, Execute, Measure, attempt

# Seconds between looks at whether workers live, should a pipe not tell: a process that a worker
# started holds the worker's end open.
LOOK = 1.0

ENDING = (signal.SIGINT, signal.SIGTERM)


class _Worker:
    """A process, the pipe to it, the job it is on, and the rest of that job's group."""

    def __init__(self) -> None:
        self.connection, self._theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        # Not a daemon, which could not start processes of its own, such as data loaders.
        self.process = context.Process(target=_work, args=(self._theirs,))
        self.job: Job | None = None
        self.group: deque[Job] = deque()

    def start(self) -> None:
        # Workers inherit the mask. A terminal sends Ctrl-C to them too, batch systems SIGTERM: it
        # is the parent's to end them, and to say so in one line.
        resource_tracker.ensure_running()  # else `start` does it, and unblocks the signals
        with _deferred():
            before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
            try:
                self.process.start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._theirs.close()

    def send(self, message: object) -> None:
        with suppress(OSError):  # it is dead: noticed where its answer is awaited
            self.connection.send(message)

    def hand_out(self, waiting: deque[deque[Job]], begin: Callable[[Job], None]) -> None:
        """Gives it the next job of its group, or the first of another group."""
        if not self.group and waiting:
            self.group = waiting.popleft()
        self.job = self.group.popleft() if self.group else None
        if self.job is not None:
            begin(self.job)
            self.send(self.job)

    def receive(self) -> tuple[Job, Attempt]:
        assert self.job is not None
        try:
            reply = self.connection.recv()
        except (EOFError, OSError) as error:
            raise self.death() from error
        if isinstance(reply, SimclrBenchError):
            raise reply
        return self.job, reply

    def death(self) -> JobError:
        assert self.job is not None
        self.process.join(LOOK)
        code = self.process.exitcode
        how = f"exit code {code}"
        if code is not None and code < 0:
            how = signal.Signals(-code).name
            how += ", as when memory runs out" if -code == signal.SIGKILL else ""
        return JobError(
            f"{self.job.title}: its process died ({how}); finished jobs are kept, and the same"
            " command continues from them"
        )

    def end(self) -> None:
        if self.process.pid is not None:
            self.process.kill()
            self.process.join()
        self.connection.close()


def attempts_in_workers(
    jobs: Sequence[Job],
    prepare: Callable[[], Execute],
    measure: Measure,
    share_key: Callable[[Job], Hashable],
    workers: int,
    begin: Callable[[Job], None],
) -> Generator[tuple[Job, Attempt], None, None]:
    """Yields each job's attempt as soon as it has ended; closing the generator ends the workers.

    Args:
        jobs: What to execute.
        prepare: Called once in every worker; must be picklable.
        measure: Computes metrics; must be picklable.
        share_key: Jobs of equal keys share work, and run in one worker in the given order.
        workers: Processes; fewer if there are fewer groups.
        begin: Told of a job when it is handed out.

    Raises:
        JobError: A worker died, or could not get ready.
        SimclrBenchError: As `attempt`.
    """
    groups: dict[Hashable, deque[Job]] = {}
    for job in jobs:
        groups.setdefault(share_key(job), deque()).append(job)
    waiting = deque(groups.values())
    pool: list[_Worker] = []
    try:
        for _ in range(min(workers, len(waiting))):
            pool.append(_Worker())
            pool[-1].start()
        for worker in pool:
            worker.send((prepare, measure))
            worker.hand_out(waiting, begin)
        while busy := [worker for worker in pool if worker.job is not None]:
            for worker in _heard(busy):
                finished = worker.receive()
                worker.hand_out(waiting, begin)  # before the disk is written: it need not wait
                yield finished
    finally:
        for worker in pool:
            worker.end()


@contextmanager
def _deferred() -> Iterator[None]:
    """Lets signals that end the program wait until the block has ended.

    The mask of one thread does not do it: a library's thread may get the signal, and Python then
    interrupts the main thread all the same, half way through telling a new process what to do.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in the main thread alone
        return
    came: list[int] = []
    handlers = {number: signal.signal(number, lambda n, _: came.append(n)) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def _heard(busy: list[_Worker]) -> list[_Worker]:
    """Waits for workers that have said something, or whose end of the pipe is closed."""
    while True:
        speaking = wait([worker.connection for worker in busy], timeout=LOOK)
        if speaking:
            return [worker for worker in busy if worker.connection in speaking]
        for worker in busy:
            if not worker.process.is_alive() and not worker.connection.poll():
                raise worker.death()


def _work(connection: Connection) -> None:
    """A worker's life: gets ready, then answers each job with an attempt, or with an error."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    broken: SimclrBenchError | None = None
    with suppress(EOFError, ConnectionError):  # the parent is gone
        try:
            prepare, measure = connection.recv()
            execute = prepare()
        except SimclrBenchError as error:
            broken = error
        except Exception as error:
            broken = JobError(f"a worker cannot get ready ({type(error).__name__}: {error})")
        while True:
            job = connection.recv()
            connection.send(broken or _answer(job, execute, measure))


def _answer(job: Job, execute: Execute, measure: Measure) -> Attempt | SimclrBenchError:
    try:
        return attempt(job, execute, measure)
    except SimclrBenchError as error:
        return error


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
