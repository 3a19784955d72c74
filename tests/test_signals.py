"""A first signal raises the flag or ends the command in order; a second ends it at once."""

import os
import signal
import subprocess
import sys

import pytest

from hiertools.signals import SIGNALS, leave_to_parent, stop_flag

TWICE = """
import os, signal
from hiertools.signals import stop_flag
with stop_flag() as flag:
    os.kill(os.getpid(), signal.SIGTERM)
    assert flag.raised == "SIGTERM"
    os.kill(os.getpid(), signal.SIGTERM)
    print("not reached")
"""
IN_ORDER = """
import os, signal
from hiertools.signals import end_in_order
from hiertools.errors import InterruptedBySignal
end_in_order()
try:
    os.kill(os.getpid(), signal.SIGINT)
except InterruptedBySignal:
    print("in order", flush=True)
os.kill(os.getpid(), signal.SIGUSR1)
print("not reached")
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_first_signal_raises_the_flag(number):
    before = signal.getsignal(number)
    with stop_flag() as flag:
        assert not flag
        os.kill(os.getpid(), number)
        assert flag
        assert flag.raised == number.name
    assert signal.getsignal(number) == before


@pytest.mark.parametrize(("program", "printed"), [(TWICE, ""), (IN_ORDER, "in order\n")])
def test_a_second_signal_ends_at_once(program, printed):
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (130, printed)


def test_workers_leave_stopping_to_their_parent():
    leave_to_parent(0)
    for name in SIGNALS:
        assert signal.getsignal(name) == signal.SIG_IGN


def test_a_signal_at_the_end_of_python_leaves_the_exit_code():
    program = "import os, signal; from hiertools.cli import main; code = main();"
    program += "os.kill(os.getpid(), signal.SIGTERM); raise SystemExit(code)"
    result = subprocess.run(
        [sys.executable, "-c", program, "--version"], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
