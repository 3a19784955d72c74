"""Write into the man pages what the program knows itself: commands, arguments, options, families.

    python man/make.py            rewrite the text between the marker comments of every page
    python man/make.py --check    change nothing; name the pages that are stale and exit with 1

Generated text stands between the lines `.\\" NAME: begin` and `.\\" NAME: end`. NAME is `synopsis`
or `options` in the page of a command, and `commands`, `options` or `shared` in hiertools.1.
Everything else is written by hand. Pages are ASCII, because groff reads Latin-1.
"""

import ast
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import typer

from hiertools import cli, plugins
from hiertools.plugins import Member, Option

FOLDER = Path(__file__).parent
OVERVIEW = "hiertools.1"
FAMILIES = (
    ("--encoder", "Encoders", plugins.ENCODERS),
    ("--format", "Annotation formats", plugins.ANNOTATIONS),
    ("--loss", "Losses", plugins.PART_LOSSES),
    ("--loss", "Losses", plugins.CLASS_LOSSES),
    ("--method", "Methods", plugins.RERANKERS),
)
ESCAPES = {
    "\\": r"\e",
    "-": r"\-",
    "'": r"\(aq",
    "`": r"\(ga",
    "^": r"\(ha",
    "~": r"\(ti",
    "\t": " ",
    "…": "...",
    "ñ": "n",
}

VALUES = {"bool": r"\fBtrue\fR|\fBfalse\fR", "int": r"\fIN\fR", "float": r"\fIX\fR"}

Generated = dict[str, Callable[[], str]]


def main(arguments: list[str]) -> int:
    """Rewrite the pages, or only check them, and return the exit code."""
    stale = []
    for page in sorted(FOLDER.glob("hiertools*.[15]")):
        old = page.read_text(encoding="ascii")
        new = rewritten(old, generated(page.name), page.name)
        if new != old:
            stale.append(page)
            if "--check" not in arguments:
                page.write_text(new, encoding="ascii")
    for page in stale:
        what = "is stale; run python man/make.py" if "--check" in arguments else "rewritten"
        print(f"{page.relative_to(FOLDER.parent)}: {what}")
    return 1 if stale and "--check" in arguments else 0


def rewritten(text: str, blocks: Generated, name: str) -> str:
    """Return a page with its generated blocks made anew; each block must be there once."""
    for block, make in blocks.items():
        begin, end = f'.\\" {block}: begin\n', f'.\\" {block}: end\n'
        if text.count(begin) != 1 or text.count(end) != 1:
            raise SystemExit(f"{name}: the markers of '{block}' are not there once each")
        before, _, rest = text.partition(begin)
        text = before + begin + make() + end + rest.partition(end)[2]
    return text


def generated(page: str) -> Generated:
    """Return what makes each generated block of a page."""
    if page == OVERVIEW:
        return {"commands": _commands, "options": _program_options, "shared": _shared_options}
    verbs = {name.replace(" ", "-"): name for name in cli.COMMANDS}
    verb = verbs.get(page.removeprefix("hiertools-").removesuffix(".1"))
    if verb:
        return {"synopsis": lambda: _synopsis(verb), "options": lambda: _options(verb)}
    return {}


def command(verb: str) -> Any:
    """Return a command as typer builds it."""
    found = _program(verb)
    for word in verb.split():
        found = found.commands[word]
    return found


@cache
def _program(verb: str = "") -> Any:
    return typer.main.get_command(cli.build(verb))


def _commands() -> str:
    return "".join(
        f".TP\n.BR hiertools\\-{escape(name.replace(' ', '-'))} (1)\n"
        f"{prose(command(name).help.partition(chr(10))[0])}\n"
        for name in cli.COMMANDS
    )


def _program_options() -> str:
    program = _program()
    return "".join(_option(program, option) for option in _all_parameters(program))


def _shared_options() -> str:
    """Return the options that every command has."""
    commands = {verb: command(verb) for verb in cli.COMMANDS}
    common = set.intersection(
        *({o.name for o in _all_parameters(found)} for found in commands.values())
    )
    last = commands[cli.COMMANDS[-1]]
    return "".join(_option(last, o) for o in _all_parameters(last) if o.name in common)


def _synopsis(verb: str) -> str:
    lines = [f".B hiertools {escape(verb)}", r".RI [ OPTION \|.\|.\|.]\&"]
    for argument in _arguments(command(verb)):
        word = _argument_name(argument)
        dots = r"\ .\|.\|." if argument.nargs != 1 else ""
        lines.append(
            f".IR {word} {dots}".rstrip() if argument.required else f".RI [ {word} {dots}]"
        )
    return "\n".join(lines) + "\n"


def _options(verb: str) -> str:
    found = command(verb)
    text = "".join(
        f".TP\n.I {_argument_name(argument)}\n{prose(argument.help)}\n"
        for argument in _arguments(found)
    )
    for option in _all_parameters(found):
        if option.param_type_name == "option":
            text += _option(found, option)
    for name, title, family in FAMILIES:
        listed = plugins.listing(family)
        if any(name in option.opts and listed in option.help for option in found.params):
            text += f".SS {title}\n" + "".join(map(_member, plugins.members(family).values()))
    return text


def _arguments(found: Any) -> list[Any]:
    return [each for each in found.params if each.param_type_name == "argument"]


def _argument_name(argument: Any) -> str:
    return escape(re.sub(r"[\[\]…]", "", argument.metavar))


def _all_parameters(found: Any) -> list[Any]:
    """Return the parameters of a command in order, with --help."""
    return list(found.get_params(_context(found)))


def _context(found: Any) -> typer.Context:
    """Return a context in which a command's lines of help are as long as they need to be."""
    names = _program().context_settings["help_option_names"]
    return typer.Context(found, max_content_width=1000, help_option_names=names)


def _option(found: Any, option: Any) -> str:
    """Return an option's entry: its names, its value, its help, its default and its range."""
    head, text = option.get_help_record(_context(found))
    spelled = sorted(option.opts, key=len)
    names = ", ".join(map(_bold, spelled))
    value = _value(head.removeprefix(", ".join(spelled)).strip())
    match = re.fullmatch(r"(.*?)\s+\[((?:default: |required|\d+<=|x[<>]=).*)\]", text)
    text, extra = match.groups() if match else (text, "")
    notes = sorted(filter(None, map(_note, filter(None, extra.replace("]  [", "; ").split("; ")))))
    return "\n".join([f".TP\n{names}{value}", prose(text), *notes]) + "\n"


def _value(metavar: str) -> str:
    """Return an option's value: words to replace in italics, words to take as they are in bold."""
    words = "N" if metavar == "<int range>" else metavar.strip("<>")
    parts = [_italic(word) if word.isupper() else _bold(word) for word in words.split("|")]
    return " " + "|".join(parts) if words else ""


def _note(note: str) -> str:
    """Return a sentence of what `--help` has in brackets."""
    if note == "required":
        return "It must be given."
    if note.startswith("default: "):
        return f"The default is {_bold(note.removeprefix('default: '))}."
    match = re.fullmatch(r"(?:(\d+)<=)?x(?:>=(\d+)|<=(\d+))", note)
    if match and match[2]:
        return f"At least {match[2]}." if int(match[2]) else ""
    if match and match[1]:
        return f"From {match[1]} to {match[3]}."
    raise SystemExit(f"the note [{note}] has no sentence yet")


def _member(member: Member) -> str:
    """Return the entry of a member of a family, with its options."""
    about, usage = _docstrings(member)
    values = ",".join(_italic(value.upper()) for value in member.values)
    head = _bold(member.name + ":") + values if values else _bold(member.name)
    text = [f".TP\n{head}", prose(about)]
    if values:
        text.append(prose(usage.partition("\n")[0]))
    if member.options:
        options = (
            _member_option(each, _described(usage, member, each.name)) for each in member.options
        )
        text += [".RS", *options, ".RE"]
    return "\n".join(text) + "\n"


def _docstrings(member: Member) -> tuple[str, str]:
    """Return the docstrings of a member's module and of its one public function."""
    file = member.name.replace(member.family.between, "_") + ".py"
    path = plugins.PACKAGE / member.family.folder / file
    module = ast.parse(path.read_text(encoding="utf-8"))
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    usage = ast.get_docstring(functions[member.family.function])
    return ast.get_docstring(module) or "", usage or ""


def _member_option(option: Option, text: str) -> str:
    value = VALUES.get(option.type.partition(" ")[0], _italic("TEXT"))
    lines = [f".TP\n{_bold(option.name + '=')}{value}", prose(text)]
    if option.default not in (None, ""):
        lines.append(f"The default is {_bold(str(option.default).lower())}.")
    return "\n".join(lines)


def _described(usage: str, member: Member, option: str) -> str:
    """Return what a function's docstring says of one option, as a sentence."""
    flat = " ".join(usage.split())
    names = "|".join(each.name for each in member.options)
    pieces = re.split(rf"(?:^|(?<=[.;]) )({names}): ", flat)
    found = dict(zip(pieces[1::2], pieces[2::2], strict=True)).get(option)
    if found is None:
        raise SystemExit(f"{member.name}: its docstring does not describe the option '{option}'")
    sentence = found.strip().rstrip(";").partition(" Raises ")[0]
    return sentence[:1].upper() + sentence[1:] + ("" if sentence.endswith(".") else ".")


def prose(text: str) -> str:
    """Return text for groff: a sentence a line, `code` and the names of options in bold."""
    escaped = escape(" ".join(text.split()))
    escaped = re.sub(r"\\\(ga(.+?)\\\(ga", r"\\fB\1\\fR", escaped)
    escaped = re.sub(r"(?<![\w\\])(\\-\\-[a-z]+(?:\\-[a-z]+)*)", r"\\fB\1\\fR", escaped)
    escaped = re.sub(r"(?<=[\w)])\\-(?=\w)", "-", escaped)  # a hyphen of a compound word
    lines = re.sub(r"(?<=[\w)]\.) (?=[A-Z])", "\n", escaped)
    return re.sub(r"(?m)^([.'])", r"\\&\1", lines)


def _bold(text: str) -> str:
    return f"\\fB{escape(text)}\\fR"


def _italic(text: str) -> str:
    return f"\\fI{escape(text)}\\fR"


def escape(text: str) -> str:
    """Return text that groff prints letter for letter."""
    return "".join(ESCAPES.get(letter, letter) for letter in text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
