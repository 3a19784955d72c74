"""What the options of a loss may be."""

from hiertools.errors import UsageError


def one_of(choices: tuple[str, ...], **options: str) -> None:
    """Raise `UsageError` for an option whose value is none of some words."""
    for key, value in options.items():
        if value not in choices:
            raise UsageError(f"{key}={value}: there are {', '.join(choices)}")


def at_least_0(**options: float) -> None:
    """Raise `UsageError` for an option that is negative or no number."""
    for key, value in options.items():
        if not value >= 0:
            raise UsageError(f"{key}={value} is not a number from 0 on")


def momentum(**options: float) -> None:
    """Raise `UsageError` for a momentum that keeps all that was before, or is none."""
    for key, value in options.items():
        if not 0 <= value < 1:
            raise UsageError(f"{key}={value} is not a number from 0 on and below 1")
