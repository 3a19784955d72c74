"""A `hiertools` for scripts with dozens of commands: each is a fork of a process that has PyTorch.

    python -m tests.warm_program SOCKET

A command has the words, the folder, the environment and the streams of its caller, and a process of
its own; what it does not do is to import torch and timm, which takes most of the time of a small
one. Threads would not outlive a fork, so nothing is loaded that starts any.
"""

import importlib
import json
import os
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hiertools import cli

ROOT = Path(__file__).parent.parent
LOADED = ("torch", "torch._dynamo", "timm", "scipy.optimize", "matplotlib.backends.backend_agg")
STARTED_WITHIN = 120  # seconds
CALLER = """#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({path!r})
socket.send_fds(server, [b"."], [0, 1, 2])
with server.makefile("rwb") as stream:
    told = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)])
    stream.write(told.encode() + b"\\n")
    stream.flush()
    sys.exit(int(stream.readline() or 70))
"""


@contextmanager
def warm_environment(folder: Path, **environment: str) -> Iterator[dict[str, str]]:
    """Yield an environment whose `hiertools` is loaded. folder: a new one, for its programs."""
    bin_, path = folder / "bin", str(folder / "socket")
    bin_.mkdir()
    _write(bin_ / "hiertools", CALLER.format(python=sys.executable, path=path))
    _write(bin_ / "python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    about = f"{ROOT}\n{(ROOT / 'pyproject.toml').read_text()}"
    (folder / ".hiertools-installed-offline").write_text(about)
    words = [sys.executable, "-m", "tests.warm_program", path]
    server = subprocess.Popen(words, cwd=ROOT, env={**os.environ, **environment})
    try:
        deadline = time.monotonic() + STARTED_WITHIN
        while not Path(path).exists():
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield {**os.environ, **environment, "VIRTUAL_ENV": str(folder)}
    finally:
        server.terminate()
        server.wait()


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def serve(path: str) -> None:
    """Run what is asked for, each in a fork, until this process is ended."""
    for name in LOADED:
        importlib.import_module(name)
    assert len(os.listdir("/proc/self/task")) == 1
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"{path}.new")
    server.listen(64)
    os.rename(f"{path}.new", path)
    while True:
        caller, _ = server.accept()
        if os.fork() == 0:
            server.close()
            _answer(caller)
        caller.close()
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _answer(caller: socket.socket) -> None:
    code: Any = 1
    try:
        _, streams, _, _ = socket.recv_fds(caller, 1, 3)
        stream = caller.makefile("rwb")
        words, folder, environment = json.loads(stream.readline())
        for number, given in enumerate(streams):
            os.dup2(given, number)
            os.close(given)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["hiertools", *words]
        code = cli.main()
        sys.stdout.flush()
        sys.stderr.flush()
        for number in range(3):  # a pipe ends before its writer is said to have ended
            os.close(number)
        stream.write(f"{code}\n".encode())
        stream.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
