"""`python -m hiertools`."""

import os
import sys

from hiertools.cli import main

code = main()
if int(os.environ.get("WORLD_SIZE", "1")) > 1:
    # The work of a rank is done and its files are whole. Threads of its communication that are
    # still there at the end of Python now and then abort, and torchrun would call it a failure.
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
sys.exit(code)
