"""What the commands over several metrics files share: arguments, options and reading them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hiertools.errors import UsageError

if TYPE_CHECKING:
    from hiertools.files.metrics import Metrics

MetricsFiles = Annotated[
    list[Path],
    typer.Argument(
        metavar="METRICS…",
        help="Files of hiertools evaluate; - for one on standard input.",
        show_default=False,
    ),
]
MeanOver = Annotated[
    str,
    typer.Option(
        metavar="TAGS",
        help="Put runs together that differ in these tags alone, such as seed: mean and standard"
        " deviation.",
        show_default=False,
    ),
]


def read_all(paths: list[Path]) -> "list[tuple[str, Metrics]]":
    """Return metrics by the name of their file."""
    from hiertools.files import inputs
    from hiertools.files.metrics import read_metrics

    inputs.check_stdin_once(paths)
    sources = (inputs.Source(path) for path in paths)
    return [(source.name, read_metrics(source)) for source in sources]


def names_of(text: str, option: str) -> list[str]:
    """Read names with commas between, each once. Raises `UsageError` for an empty one."""
    names = [name.strip() for name in text.split(",")] if text else []
    if not all(names):
        raise UsageError(f"{option} {text}: write names with commas between")
    if len(set(names)) != len(names):
        raise UsageError(f"{option} {text}: a name is there twice")
    return names
