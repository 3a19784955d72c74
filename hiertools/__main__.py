"""`python -m hiertools`."""

import sys

from hiertools.cli import main

sys.exit(main())
