"""What a user can mend: each error is one line and knows the exit code of the program."""

DONE = 0
FAULT = 1
USAGE = 2
BAD_INPUT = 3
SKIPPED = 4
EXISTS = 5
NO_DEVICE = 6
NO_SPACE = 7
RESUMABLE = 75
STOPPED = 130


class UserError(Exception):
    """Something the user can mend. The message says what, where and what to do, in one line."""

    exit_code = BAD_INPUT


class UsageError(UserError):
    """Options that do not fit together."""

    exit_code = USAGE


class SkippedError(UserError):
    """The work is done and written, but more items than `--max-bad` were skipped."""

    exit_code = SKIPPED


class OutputExistsError(UserError):
    """The output is there already, and neither `--overwrite` nor `--resume` was given."""

    exit_code = EXISTS


class DeviceError(UserError):
    """The device that was asked for is missing or has no memory left."""

    exit_code = NO_DEVICE


class NoSpaceError(UserError):
    """The disk, or whatever takes the output, is full."""

    exit_code = NO_SPACE


class StoppedError(UserError):
    """A signal stopped a command that `--resume` can continue."""

    exit_code = RESUMABLE


class InterruptedBySignal(BaseException):
    """A signal stopped a command that cannot be continued."""
