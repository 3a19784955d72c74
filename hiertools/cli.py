"""The program: its commands in the order of the data flow, and what an error looks like."""

import inspect
import os
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer
from typer import exceptions

from hiertools import errors, signals, terminal
from hiertools.commands.check import check
from hiertools.commands.embed import embed
from hiertools.commands.info import info
from hiertools.commands.mine_hierarchy import mine_hierarchy
from hiertools.commands.sample import sample

COMMANDS = (sample, mine_hierarchy, embed, check, info)

app = typer.Typer(
    name="hiertools",
    help="Mine, learn, search and judge visual hierarchies.",
    epilog="Each command has a man page: man hiertools-COMMAND. Files: man hiertools-files.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

_debug = False


def _show_version(wanted: bool) -> None:
    if wanted:
        from hiertools.files.provenance import program_version

        print(f"hiertools {program_version()}")
        raise typer.Exit


def _set_debug(wanted: bool) -> None:
    global _debug
    _debug = _debug or wanted


Version = Annotated[
    bool,
    typer.Option(
        "--version",
        callback=_show_version,
        is_eager=True,
        help="Print the version and exit.",
    ),
]
Debug = Annotated[
    bool,
    typer.Option(
        "--debug",
        callback=_set_debug,
        is_eager=True,
        help="Show the traceback of an error.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")]


@app.callback()
def _program(version: Version = False, debug: Debug = False) -> None:
    pass


def _register(command: Callable[..., None]) -> None:
    """Add a command, with the options that all commands have."""
    own = inspect.signature(command)
    shared = {"quiet": Quiet, "verbose": Verbose, "debug": Debug}

    @wraps(command)
    def run(quiet: bool, verbose: bool, debug: bool, **options: Any) -> None:
        terminal.set_level(0 if quiet else 2 if verbose else 1)
        command(**options)

    keyword = inspect.Parameter.KEYWORD_ONLY
    extra = [
        inspect.Parameter(name, keyword, default=False, annotation=annotation)
        for name, annotation in shared.items()
    ]
    parameters = [p.replace(kind=keyword) for p in own.parameters.values()]
    run.__signature__ = own.replace(parameters=[*parameters, *extra])  # type: ignore[attr-defined]
    run.__annotations__ = {**command.__annotations__, **shared}
    del run.__wrapped__  # type: ignore[attr-defined]
    app.command(command.__name__.replace("_", "-"))(run)


for _command in COMMANDS:
    _register(_command)


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    signals.end_in_order()
    try:
        code = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        return _without_reader()
    except errors.InterruptedBySignal:
        return errors.STOPPED
    except errors.UserError as error:
        return _fail(arguments, str(error), error.exit_code)
    except exceptions.TyperException as error:
        hint = f"hiertools {name} --help" if (name := _verb(arguments)) else "hiertools --help"
        message = error.format_message().rstrip(".")
        return _fail(arguments, f"{message}; see '{hint}'", errors.USAGE)
    except MemoryError:
        return _fail(arguments, "out of memory; try a smaller --batch-size", errors.FAULT)
    except OSError as error:
        if error.errno in {28, 122}:
            where = error.filename or "standard output"
            return _fail(arguments, f"{where}: no space left", errors.NO_SPACE)
        if error.filename is None or _debug:
            return _fault(arguments, error)
        return _fail(arguments, f"{error.filename}: {error.strerror}", errors.BAD_INPUT)
    except Exception as error:
        return _fault(arguments, error)


def _run(arguments: list[str]) -> int:
    command = typer.main.get_command(app)
    code = command.main(arguments or ["--help"], prog_name="hiertools", standalone_mode=False)
    if not arguments:
        return errors.USAGE
    return code if isinstance(code, int) else errors.DONE


def _verb(arguments: list[str]) -> str:
    """Return the command's name, if the arguments name one that there is."""
    names = {command.__name__.replace("_", "-") for command in COMMANDS}
    return next((argument for argument in arguments if argument in names), "")


def _fail(arguments: list[str], message: str, code: int) -> int:
    """Show an error as one line."""
    if _debug:
        traceback.print_exc()
    name = " ".join(["hiertools", _verb(arguments)]).strip()
    terminal.fail(f"{name}: {' '.join(message.split())}")
    _silence_stdout()
    return code


def _fault(arguments: list[str], error: Exception) -> int:
    """Show a fault of ours as one line; `--debug` shows where it is."""
    what = f"{type(error).__name__}: {error}"
    return _fail(
        arguments,
        f"internal fault: {what}; run with --debug and report it",
        errors.FAULT,
    )


def _without_reader() -> int:
    """End in silence when nobody reads standard output any more."""
    _silence_stdout()
    return errors.DONE


def _silence_stdout() -> None:
    """Keep Python from flushing, at its end, what could not be written."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
