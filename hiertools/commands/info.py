"""`hiertools info`."""

from pathlib import Path
from typing import Annotated

import typer

from hiertools.commands.options import Json


def info(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", help="Files of hiertools; - for JSON on standard input."),
    ],
    json: Json = False,
) -> None:
    """Print what a file is, what is in it and where it came from.

    A hierarchy is printed as trees. A node stands under a parent only where it is under none of
    that parent's other descendants; where it comes again it is marked and not unfolded.
    """
    from hiertools import about
    from hiertools.files import inputs
    from hiertools.files.atomic import write_stdout
    from hiertools.files.json import line as json_line

    inputs.check_stdin_once(files)
    for path in files:
        with inputs.spooled(path) as copy:
            found = {**about.describe(copy), "file": str(path)}
            write_stdout(json_line(found) if json else about.as_text(found, copy))
