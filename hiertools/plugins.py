"""Families: folders in which every file is a member, chosen as `NAME` or `NAME:VALUE,key=value`.

A member is a module with one public function of the family's name. Its positional parameters
are the values after the colon and its keyword parameters, with their defaults, are the member's
options; `lambda_` is the option `lambda`, as for every word of Python's own. Both are read from
the source, so that `--help` lists them and imports nothing.
"""

import ast
import importlib
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from keyword import iskeyword
from pathlib import Path
from types import ModuleType
from typing import Any

from hiertools.errors import UsageError, UserError

PACKAGE = Path(__file__).parent
LARGEST = 1 << 63  # whole numbers are below it: libraries hold them in 64 bits


@dataclass(frozen=True)
class Family:
    """A folder of members: `word` names one in messages, `function` is what each must have.

    The function's parameters in `given` come from the caller and are not the user's to choose.
    A file's name is the member's; `between` stands where the file has an underscore.
    """

    folder: str
    word: str
    function: str
    given: tuple[str, ...] = ()
    between: str = "_"


@dataclass(frozen=True)
class Option:
    """A keyword option of a member, as its source declares it."""

    name: str
    type: str
    default: Any


@dataclass(frozen=True)
class Member:
    """A file of a family, known from its source alone."""

    family: Family
    name: str
    summary: str
    values: tuple[str, ...]
    options: tuple[Option, ...]

    def load(self) -> ModuleType:
        """Import the member."""
        folder = self.family.folder.replace("/", ".")
        stem = self.name.replace(self.family.between, "_")
        return importlib.import_module(f"hiertools.{folder}.{stem}")

    def spelling(self) -> str:
        """Return how the member is written on the command line, e.g. `timm:MODEL[,weights=…]`."""
        values = ",".join(value.upper() for value in self.values)
        options = "".join(f"[,{option.name}=…]" for option in self.options)
        if not values:
            options = options.replace("[,", "[:", 1)
        return self.name + (f":{values}" if values else "") + options


@dataclass(frozen=True)
class Choice:
    """A member with the values and options that the user gave it."""

    member: Member
    values: tuple[str, ...]
    options: dict[str, Any]

    def call(self, *given: Any) -> Any:
        """Call the member's function with what the caller gives and what the user chose."""
        function = getattr(self.member.load(), self.member.family.function)
        options = {key + "_" * iskeyword(key): value for key, value in self.options.items()}
        return function(*given, *self.values, **options)


@cache
def members(family: Family) -> dict[str, Member]:
    """Return every member of a family by name, without importing any of them."""
    files = sorted((PACKAGE / family.folder).glob("*.py"))
    found = [_member(family, path) for path in files if path.stem != "__init__"]
    return {member.name: member for member in found}


def listing(family: Family) -> str:
    """Return the members as one line for `--help`, which may be broken between options."""
    spelled = ", ".join(member.spelling() for member in members(family).values())
    return spelled.replace("][", "] [")


def parse(family: Family, spec: str) -> Choice:
    """Read `NAME`, `NAME:VALUE` or `NAME:VALUE,key=value`.

    Raises `UsageError` for a name, an option or a value that the family does not have.
    """
    name, _, rest = spec.partition(":")
    known = members(family)
    if name not in known:
        raise UsageError(f"no {family.word} '{name}'; there are {', '.join(known)}")
    member = known[name]
    parts = [part for part in rest.split(",") if part]
    values = tuple(part for part in parts if "=" not in part)
    if len(values) != len(member.values):
        raise UsageError(f"{family.word} '{spec}' is not written as {member.spelling()}")
    chosen = dict(_pair(member, part) for part in parts if "=" in part)
    return Choice(member, values, chosen)


def _pair(member: Member, part: str) -> tuple[str, Any]:
    key, _, text = part.partition("=")
    known = {option.name: option for option in member.options}
    if key not in known:
        close = get_close_matches(key, known, 1)
        hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(known) or 'none'}"
        raise UsageError(f"{member.family.word} {member.name} has no option '{key}'; {hint}")
    return key, _value(known[key], text)


def _value(option: Option, text: str) -> Any:
    kinds = [kind.strip() for kind in option.type.split("|")]
    try:
        if "bool" in kinds:
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        if "int" in kinds:
            return _whole(text)
        if "float" in kinds:
            return float(text)
    except (KeyError, ValueError):
        raise UsageError(f"option {option.name}={text} is not a {kinds[0]}") from None
    return text


def _whole(text: str) -> int:
    if abs(int(text)) >= LARGEST:
        raise ValueError
    return int(text)


def _member(family: Family, path: Path) -> Member:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    if family.function not in functions:
        raise UserError(f"{path}: a {family.word} needs a function {family.function}")
    arguments = functions[family.function].args
    values = [argument.arg for argument in arguments.args if argument.arg not in family.given]
    options = [
        Option(argument.arg.removesuffix("_"), _annotation(argument), ast.literal_eval(default))
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is not None
    ]
    summary = (ast.get_docstring(tree) or "").partition("\n")[0]
    name = path.stem.replace("_", family.between)
    return Member(family, name, summary, tuple(values), tuple(options))


def _annotation(argument: ast.arg) -> str:
    return ast.unparse(argument.annotation) if argument.annotation else "str"


ANNOTATIONS = Family("annotations", "format", "read", ("source",))
ENCODERS = Family("encoders", "encoder", "load")
PART_LOSSES = Family("losses/parts", "loss", "loss", ("contrast",))
CLASS_LOSSES = Family("losses/classes", "loss", "loss", ("outputs",))
RERANKERS = Family("rerankers", "method", "rerank", ("shortlists", "gallery"), between="-")
