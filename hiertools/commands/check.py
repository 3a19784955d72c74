"""`hiertools check`."""

from pathlib import Path
from typing import Annotated

import typer

from hiertools.commands.options import Json
from hiertools.errors import UserError


def check(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", help="Files of hiertools; - for JSON on standard input."),
    ],
    full: Annotated[
        bool,
        typer.Option("--full", help="Read all data too and compare its checksums."),
    ] = False,
    json: Json = False,
) -> None:
    """Verify that files are whole and sound.

    Prints a line a file. The exit status is 3 if any file is not sound.
    """
    from hiertools.files import inputs, kinds
    from hiertools.files.atomic import write_stdout
    from hiertools.files.json import line as json_line

    inputs.check_stdin_once(files)
    bad = 0
    for path in files:
        problem = ""
        try:
            with inputs.spooled(path) as copy:
                kind = kinds.check(copy, full=full)
        except UserError as error:
            kind, problem = "", " ".join(str(error).removeprefix(f"{path}: ").split())
        bad += bool(problem)
        found = {
            "file": str(path),
            "kind": kind or None,
            "ok": not problem,
            "problem": problem,
        }
        line = f"{path}: {problem or f'ok ({kind})'}\n"
        write_stdout(json_line(found) if json else line)
    if bad:
        raise UserError(f"{bad} of {len(files)} files are not sound")
