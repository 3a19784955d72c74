"""What the tests share: `hier` runs a command as people do."""

import os
import signal
import subprocess
import sys

import pytest

from hiertools import signals, terminal

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the program does


def pytest_addoption(parser):
    parser.addoption(
        "--regenerate", action="store_true", help="write the goldens anew and show what changed"
    )


@pytest.fixture(autouse=True)
def _as_before():
    """A command that a test runs here leaves neither its handlers of signals nor its -q behind."""
    before = {number: signal.getsignal(number) for number in signals.SIGNALS}
    yield
    terminal.set_level(1)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def one_thread():
    """Threads that wait for each other take most of the time of a small table."""
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(before)


@pytest.fixture(scope="session")
def hier():
    """Run a command and return its stdout and stderr as text, and its returncode.

    stdin: bytes; before: words before the command, such as a shell that sets a limit.
    """

    def run(*arguments, stdin=b"", env=None, cwd=None, before=()):
        command = [*before, sys.executable, "-m", "hiertools", *map(str, arguments)]
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            check=False,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            timeout=60,
        )
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        return done

    return run
