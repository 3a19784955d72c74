"""The program: its commands in the order of the data flow, and what an error looks like."""

import importlib
import inspect
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import exceptions

from hiertools import errors, signals, terminal

COMMANDS = (
    "sample",
    "mine-hierarchy",
    "build-taxonomy wordnet",
    "build-taxonomy table",
    "embed",
    "geocode",
    "build-entities",
    "train parts",
    "train geo",
    "train classes",
    "index",
    "query",
    "graph",
    "verify",
    "rerank",
    "classify",
    "evaluate parts",
    "evaluate geo",
    "evaluate classes",
    "evaluate retrieval",
    "evaluate pixels",
    "wasserstein",
    "tabulate",
    "plot sweep",
    "plot matches",
    "plot masks",
    "check",
    "info",
)
MEASURED = {"train", "query", "evaluate"}  # they say what their rows cost, and have --profile
RESUMABLE = {"embed", "verify", "train parts", "train geo", "train classes"}
GROUPS = {
    "build-taxonomy": "Make a hierarchy of classes, ready for `hiertools train classes`.",
    "train": "Learn a model, ready for `hiertools index`.",
    "plot": "Draw what was found, as PNG, SVG or PDF.",
    "evaluate": "Judge rankings and predictions, each metric beside chance.",
}

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
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say time and peak memory too.")]


class _InOrder(typer.core.TyperGroup):
    """Lists commands and groups in the order of the data flow; typer puts groups last."""

    def list_commands(self, ctx: Any) -> list[str]:
        order = [name.partition(" ")[0] for name in COMMANDS]
        return sorted(super().list_commands(ctx), key=order.index)


def build(verb: str) -> typer.Typer:
    """Return the program with one command whole; of the others it has name and summary.

    A command's module is imported only when it is the one that runs.
    """
    app = typer.Typer(
        name="hiertools",
        cls=_InOrder,
        help="Mine, learn, search and judge visual hierarchies.",
        epilog="Man pages: hiertools-COMMAND for each command, hiertools-files for the files.",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_program)
    groups: dict[str, typer.Typer] = {"": app}
    for name in COMMANDS:
        group, _, word = name.rpartition(" ")
        if group not in groups:
            groups[group] = typer.Typer(help=GROUPS[group], rich_markup_mode=None)
            app.add_typer(groups[group], name=group)
        if name == verb:
            found = command(name)
            if (group or word) in MEASURED:
                found = _measured(found)
            groups[group].command(word)(_with_shared_options(found))
        else:
            groups[group].command(word, short_help=_summary(name))(_not_this_one)
        if group:
            groups[group].callback()(_group)
    return app


def _program(version: Version = False, debug: Debug = False) -> None:
    pass


def _group() -> None:
    pass


def _not_this_one() -> None:
    raise AssertionError("another command was asked for")


def command(name: str) -> Callable[..., None]:
    """Import a command by its name."""
    function = _function(name)
    module = importlib.import_module(f"hiertools.commands.{function}")
    found: Callable[..., None] = getattr(module, function)
    return found


def _function(name: str) -> str:
    """Return what a command's module and function are called."""
    return name.replace("-", "_").replace(" ", "_")


def _summary(name: str) -> str:
    """Return the first line of a command's docstring, without importing or parsing it."""
    function = _function(name)
    path = Path(__file__).parent / "commands" / f"{function}.py"
    text = path.read_text(encoding="utf-8").partition(f"\ndef {function}(")[2]
    found = re.search(r'^\) -> None:\n    """(.*?)(?:"""|$)', text, re.MULTILINE)
    return found[1] if found else ""


def _measured(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command say what its rows cost, and give it the option to trace them."""
    from hiertools import profiling
    from hiertools.commands.options import Profile

    def run(profile: Path | None, **options: Any) -> None:
        _check_profile(profile, options)
        overwrite = options["overwrite"] or options.get("resume", False)
        workers = bool(options.get("workers") and options["images"])
        with profiling.measured(profile, overwrite=overwrite, workers=workers):
            command(**options)

    return _with_options(command, run, {"profile": (Profile, None)})


def _with_shared_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that all commands have."""

    def run(quiet: bool, verbose: bool, debug: bool, **options: Any) -> None:
        terminal.set_level(0 if quiet else 2 if verbose else 1)
        _check_output(options)
        command(**options)
        terminal.say_cost()

    shared = {"quiet": (Quiet, False), "verbose": (Verbose, False), "debug": (Debug, False)}
    return _with_options(command, run, shared)


def _with_options(
    command: Callable[..., None], run: Callable[..., None], more: dict[str, tuple[Any, Any]]
) -> Callable[..., None]:
    """Return `run` with the options of a command and some more: annotations and defaults."""
    own, keyword = inspect.signature(command), inspect.Parameter.KEYWORD_ONLY
    extra = [
        inspect.Parameter(name, keyword, default=default, annotation=annotation)
        for name, (annotation, default) in more.items()
    ]
    parameters = [p.replace(kind=keyword) for p in own.parameters.values()]
    found = wraps(command)(run)
    found.__signature__ = own.replace(parameters=[*parameters, *extra])  # type: ignore[attr-defined]
    annotations = {name: annotation for name, (annotation, _) in more.items()}
    found.__annotations__ = {**command.__annotations__, **annotations}
    del found.__wrapped__
    return found


def _check_output(options: dict[str, Any]) -> None:
    """Raise `UsageError` where the output would take the place of a file that an option names."""
    output = options.get("output")
    if not options.get("overwrite") or not isinstance(output, Path) or not output.exists():
        return
    for name, value in options.items():
        for path in value if isinstance(value, list) else [value]:
            if name == "output" or not isinstance(path, Path) or not path.exists():
                continue
            if path.samefile(output):
                raise errors.UsageError(f"{output}: is an input too; name another output with -o")


def _check_profile(profile: Path | None, options: dict[str, Any]) -> None:
    """Raise `UsageError` where a trace would take the place of a file that an option names."""
    if profile is None:
        return
    for value in options.values():
        for path in value if isinstance(value, list) else [value]:
            if isinstance(path, Path) and path.resolve() == profile.resolve():
                raise errors.UsageError(f"--profile {profile}: is another file of this command")


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code. arguments: None for those of the process."""
    if arguments is not None:
        return _main(arguments)
    try:
        return _main(sys.argv[1:])
    finally:
        signals.work_is_over()  # the process too


def _main(arguments: list[str]) -> int:
    # threads that spin while they wait for each other make a shared machine many times slower
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # torch's advice for --workers above the number of processors: they are what was asked for
    warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
    try:
        signals.end_in_order()  # from here on a signal is caught, and handled below
        code = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        _silence_stdout()
        return errors.DONE
    except SystemExit:
        # typer ends the program itself when nobody reads standard output any more
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":
            return errors.DONE
        raise
    except errors.InterruptedBySignal:  # outside of what a command guards: nothing is half done
        if _verb(arguments) in RESUMABLE:
            what = "stopped before its work began; --resume goes on from what is there"
            return _fail(arguments, what, errors.RESUMABLE)
        return errors.STOPPED
    except errors.UserError as error:
        return _fail(arguments, str(error), error.exit_code)
    except exceptions.TyperException as error:
        context = getattr(error, "ctx", None)
        hint = f"{context.command_path if context else 'hiertools'} --help"
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
    program = typer.main.get_command(build(_verb(arguments)))
    code = program.main(arguments or ["--help"], prog_name="hiertools", standalone_mode=False)
    if not arguments:
        return errors.USAGE
    return code if isinstance(code, int) else errors.DONE


def _verb(arguments: list[str]) -> str:
    """Return the command's name, if the arguments name one that there is."""
    words = arguments or os.environ.get("COMP_WORDS", "").split()  # completion has no arguments
    for place, word in enumerate(words):
        if word in GROUPS:
            word = " ".join(words[place : place + 2])
        if word in COMMANDS:
            return word
    return ""


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


def _silence_stdout() -> None:
    """Keep Python from flushing, at its end, what could not be written."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
