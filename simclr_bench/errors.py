"""Errors a user can act on: one line of text, and the exit code the command line gives for it."""

# What `bench --compare` returns where a cell is slower than in the base; not an error.
SLOWER = 6


class SimclrBenchError(Exception):
    """Base of every expected failure; its text is one line: what, where, and what to do."""

    exit_code = 4


class UsageError(SimclrBenchError):
    """The request itself is off: an unknown table, row, data set or option value."""

    exit_code = 2


class DataError(SimclrBenchError):
    """Data, weights, records or the installation are missing or corrupt."""

    exit_code = 3


class JobError(SimclrBenchError):
    """A job started and failed."""

    exit_code = 4


class StoreError(SimclrBenchError):
    """The run directory is held by another process or was written by another version."""

    exit_code = 5


class Interrupted(BaseException):
    """SIGTERM arrived. Like KeyboardInterrupt, no `except Exception` may swallow it."""

    exit_code = 143
