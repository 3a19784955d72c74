"""Write into the man pages what the program knows itself: commands, arguments, options, families.

    python man/make.py            rewrite the text between the marker comments of every page
    python man/make.py --check    change nothing; name the pages that are stale and exit with 1

A page marks what is generated with lines `.\\" NAME: begin` and `.\\" NAME: end`. NAME is `synopsis`
or `options` in the page of a command, and `commands`, `options` or `shared` in hiertools.1.
Everything else is written by hand. Pages are ASCII, because groff reads Latin-1.
"""

import ast
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from hiertools import cli, plugins
from hiertools.plugins import Family, Member

FOLDER = Path(__file__).parent
OVERVIEW = "hiertools.1"
FAMILIES = {
    "--encoder": ("Encoders", plugins.ENCODERS),
    "--format": ("Annotation formats", plugins.ANNOTATIONS),
}
ESCAPES = {
    "\\": r"\e",
    "-": r"\-",
    "'": r"\(aq",
    "`": r"\(ga",
    "^": r"\(ha",
    "~": r"\(ti",
    "\t": " ",
    "…": "...",
}

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
    verb = page.removeprefix("hiertools-").removesuffix(".1")
    if verb in cli.COMMANDS:
        return {"synopsis": lambda: _synopsis(verb), "options": lambda: _options(verb)}
    return {}


def command(verb: str) -> Any:
    """Return a command as typer builds it."""
    return _program(verb).commands[verb]


def _program(verb: str = "") -> Any:
    return typer.main.get_command(cli.build(verb))


def _commands() -> str:
    summaries = {name: _program().commands[name].short_help for name in cli.COMMANDS}
    return "".join(
        f".TP\n.BR hiertools\\-{escape(name)} (1)\n{prose(summary)}\n"
        for name, summary in summaries.items()
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
    lines = [f".B hiertools {escape(verb)}", r".RI [ OPTION \|.\|.\|.]"]
    for argument in _arguments(command(verb)):
        word = _argument_name(argument)
        dots = r"\ .\|.\|." if argument.nargs != 1 else ""
        lines.append(f".IR {word} {dots}".rstrip() if argument.required else f".RI [ {word} {dots}]")
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
    for name, (title, family) in FAMILIES.items():
        if any(name in option.opts for option in found.params):
            text += f".SS {title}\n" + _family(name, family)
    return text


def _arguments(found: Any) -> list[Any]:
    return [each for each in found.params if each.param_type_name == "argument"]


def _argument_name(argument: Any) -> str:
    return escape(re.sub(r"[\[\]…]", "", argument.metavar))


def _all_parameters(found: Any) -> list[Any]:
    """Return the parameters of a command in order, with --help."""
    return list(found.get_params(typer.Context(found)))


def _option(found: Any, option: Any) -> str:
    """Return an option's entry: its names, its value, its help, its default and its range."""
    head, text = option.get_help_record(typer.Context(found, max_content_width=1000))
    names = ", ".join(f"\\fB{escape(name)}\\fR" for name in sorted(option.opts, key=len))
    metavar = head.removeprefix(", ".join(sorted(option.opts, key=len))).strip()
    text, _, extra = text.partition("  [")
    notes = [_note(note) for note in extra.rstrip("]").split("; ") if note]
    lines = [f".TP\n{names}{_value(metavar)}", prose(text), *filter(None, notes)]
    return "\n".join(lines) + "\n"


def _value(metavar: str) -> str:
    """Return an option's value: words to replace in italics, words to take as they are in bold."""
    choices = metavar.startswith("<") and " " not in metavar
    words = "N" if metavar == "<int range>" else metavar.strip("<>")
    literal = choices or not words.replace("|", "").replace("-", "").isupper()
    parts = [
        f"\\fB{escape(word)}\\fR" if literal and not word.isupper() else f"\\fI{escape(word)}\\fR"
        for word in words.split("|")
    ]
    return " " + "|".join(parts) if words else ""


def _note(note: str) -> str:
    """Return a sentence of what `--help` has in brackets."""
    if note.startswith("default: "):
        return f"The default is \\fB{escape(note.removeprefix('default: '))}\\fR."
    match = re.fullmatch(r"(?:(\d+)<=)?x(?:>=(\d+)|<=(\d+))", note)
    if match and match[2]:
        return f"The value is at least {match[2]}."
    if match and match[1]:
        return f"The value is from {match[1]} to {match[3]}."
    raise SystemExit(f"the note [{note}] has no sentence yet")


def _family(option: str, family: Family) -> str:
    """Return the members of a family, each with its options."""
    members = plugins.members(family).values()
    return "".join(_member(family, member) for member in members)


def _member(family: Family, member: Member) -> str:
    path = plugins.PACKAGE / family.folder / f"{member.name}.py"
    module = ast.parse(path.read_text(encoding="utf-8"))
    function = next(
        node
        for node in module.body
        if isinstance(node, ast.FunctionDef) and node.name == family.function
    )
    about = ast.get_docstring(function) or ""
    values = ",".join(f"\\fI{escape(value.upper())}\\fR" for value in member.values)
    head = f"\\fB{escape(member.name)}\\fR" + (f"\\fB:\\fR{values}" if values else "")
    text = [f".TP\n{head}", prose(ast.get_docstring(module) or "")]
    if values:
        text.append(prose(about.partition("\n")[0]))
    if member.options:
        text.append(".RS")
        for each in member.options:
            kind = each.type.partition(" ")[0]
            value = {"bool": r"\fBtrue\fR|\fBfalse\fR", "int": r"\fIN\fR"}.get(kind, r"\fITEXT\fR")
            text.append(f".TP\n\\fB{escape(each.name)}=\\fR{value}")
            text.append(prose(_described(about, member, each.name)))
            if each.default not in (None, ""):
                text.append(f"The default is \\fB{escape(str(each.default).lower())}\\fR.")
        text.append(".RE")
    return "\n".join(text) + "\n"


def _described(about: str, member: Member, option: str) -> str:
    """Return what a function's docstring says of one option, as a sentence."""
    flat = " ".join(about.split())
    names = "|".join(each.name for each in member.options)
    pieces = re.split(rf"(?:^|(?<=[.;]) )({names}): ", flat)
    found = dict(zip(pieces[1::2], pieces[2::2], strict=True)).get(option)
    if found is None:
        raise SystemExit(f"{member.name}: its docstring does not describe the option '{option}'")
    sentence = found.strip().rstrip(";").partition(" Raises ")[0]
    return sentence[:1].upper() + sentence[1:] + ("" if sentence.endswith(".") else ".")


def prose(text: str) -> str:
    """Return text for groff: paragraphs filled, `code` in bold, option names in bold."""
    escaped = escape(" ".join(text.split()))
    escaped = re.sub(r"\\\(ga(.+?)\\\(ga", r"\\fB\1\\fR", escaped)
    escaped = re.sub(r"(?<![\w\\])(\\-\\-[a-z]+(?:\\-[a-z]+)*)", r"\\fB\1\\fR", escaped)
    escaped = re.sub(r"(?<=[\w)])\\-(?=\w)", "-", escaped)  # a hyphen of a compound word
    return re.sub(r"^([.'])", r"\\&\1", escaped)


def escape(text: str) -> str:
    """Return text that groff prints letter for letter."""
    return "".join(ESCAPES.get(letter, letter) for letter in text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
