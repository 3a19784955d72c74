"""Families: every member is whole, and known from its source as it is when it runs."""

import inspect
import re
import subprocess
import sys

import pytest

from hiertools import plugins
from hiertools.errors import UsageError, UserError
from hiertools.plugins import ANNOTATIONS, CLASS_LOSSES, ENCODERS, PART_LOSSES, Family

FAMILIES = [ANNOTATIONS, CLASS_LOSSES, ENCODERS, PART_LOSSES]
MEMBERS = [member for family in FAMILIES for member in plugins.members(family).values()]
REFERENCE = re.compile(r"\barXiv:\d{4}\.\d{4,5}|\bdoi:10\.\d+/\S+|[A-Z]\w+ et al\. \d{4}")
HEAVY = {"torch", "timm", "open_clip", "numpy", "polars", "h5py", "numba", "PIL"}


def test_there_are_members():
    assert list(plugins.members(ANNOTATIONS)) == ["coco", "openimages", "voc"]
    assert list(plugins.members(ENCODERS)) == ["lite0", "model", "open_clip", "timm"]
    assert list(plugins.members(PART_LOSSES)) == ["angular", "entailment"]
    assert list(plugins.members(CLASS_LOSSES)) == [
        "cross_entropy", "graded", "hxe", "pairwise", "soft_labels", "unit_sphere",
    ]  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.folder)
def test_every_member_is_whole(family):
    for member in plugins.members(family).values():  # in one test: their imports are slow
        module = member.load()
        function = getattr(module, family.function)
        assert function.__module__ == module.__name__
        assert member.summary == inspect.getdoc(module).partition("\n")[0]
        assert REFERENCE.search(inspect.getdoc(module))
        assert inspect.getdoc(function)
        assert_known_from_its_source(member, inspect.signature(function).parameters.values())
        for option in member.options:
            assert re.search(rf"\b{option.name}: ", inspect.getdoc(function))


def assert_known_from_its_source(member, parameters):
    given = [p.name for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    keywords = [p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    assert len(given) + len(keywords) == len(parameters)
    assert [*member.family.given, *member.values] == given
    types = [str(getattr(p.annotation, "__name__", p.annotation)) for p in keywords]
    expected = [
        (p.name.removesuffix("_"), kind, p.default) for p, kind in zip(keywords, types, strict=True)
    ]
    assert [(option.name, option.type, option.default) for option in member.options] == expected


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
def test_a_member_may_be_written_as_it_is_spelled(member):
    values = ",".join("some" for _ in member.values)
    choice = plugins.parse(member.family, f"{member.name}:{values}")
    assert choice.member == member
    assert choice.values == ("some",) * len(member.values)
    assert choice.options == {}
    assert member.spelling() in plugins.listing(member.family).replace("] [", "][")


def test_the_listing_imports_nothing_heavy():
    program = (
        "import sys; from hiertools import plugins;"
        "families = plugins.ANNOTATIONS, plugins.ENCODERS, plugins.PART_LOSSES;"
        "print(*map(plugins.listing, families), sep='\\n');"
        "print(*sys.modules)"
    )
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    annotations, encoders, losses, modules = result.stdout.splitlines()
    assert annotations == "coco[:label=…] [,skip=…], openimages, voc[:one_based=…]"
    assert encoders.startswith(
        "lite0[:size=…], model:PATH, open_clip:MODEL[,weights=…] [,random=…], timm:"
    )
    assert losses.startswith("angular[:positives=…], entailment[:weight=…] [,distance=…]")
    assert HEAVY.isdisjoint(modules.split())


@pytest.mark.parametrize(
    ("family", "spec", "values", "options"),
    [
        (ENCODERS, "lite0", (), {}),
        (ENCODERS, "lite0:", (), {}),
        (ENCODERS, "timm:resnet50", ("resnet50",), {}),
        (ENCODERS, "timm:resnet50,random=true", ("resnet50",), {"random": True}),
        (ENCODERS, "timm:random=FALSE,resnet50", ("resnet50",), {"random": False}),
        (ENCODERS, "timm:a,classes=10,weights=w=1", ("a",), {"classes": 10, "weights": "w=1"}),
        (ENCODERS, "open_clip:ViT-B-32/laion2b:x", ("ViT-B-32/laion2b:x",), {}),
        (ENCODERS, "timm:007", ("007",), {}),
        (ANNOTATIONS, "coco:label=synset,skip=a+b", (), {"label": "synset", "skip": "a+b"}),
        (ANNOTATIONS, "voc:one_based=0", (), {"one_based": False}),
        (PART_LOSSES, "entailment:k=0.2,positives=in", (), {"k": 0.2, "positives": "in"}),
        (CLASS_LOSSES, "pairwise:form=head,with_self=0", (), {"form": "head", "with_self": False}),
        (CLASS_LOSSES, "pairwise:decay=inf", (), {"decay": float("inf")}),
    ],
)  # fmt: skip
def test_what_the_user_chose(family, spec, values, options):
    choice = plugins.parse(family, spec)
    assert (choice.values, choice.options) == (values, options)
    assert [type(value) for value in choice.options.values()] == [type(v) for v in options.values()]


@pytest.mark.parametrize(
    ("family", "spec", "message"),
    [
        (ENCODERS, "resnet50", "no encoder 'resnet50'; there are lite0, model, open_clip, timm"),
        (ENCODERS, "", "no encoder ''; there are lite0, model, open_clip, timm"),
        (ENCODERS, "__init__", "no encoder '__init__'"),
        (ENCODERS, "../encoder", "no encoder '../encoder'"),
        (ENCODERS, "os.path", "no encoder 'os.path'"),
        (ANNOTATIONS, "Coco", "no format 'Coco'; there are coco, openimages, voc"),
        (ENCODERS, "timm", "encoder 'timm' is not written as timm:MODEL"),
        (ENCODERS, "timm:a,b", "encoder 'timm:a,b' is not written as timm:MODEL"),
        (ENCODERS, "lite0:a", "encoder 'lite0:a' is not written as lite0[:size=…]"),
        (ENCODERS, "timm:a,weigths=w", "has no option 'weigths'; did you mean weights?"),
        (ENCODERS, "timm:a,zzz=w", "encoder timm has no option 'zzz'; it has weights, random"),
        (ENCODERS, "lite0:zzz=w", "encoder lite0 has no option 'zzz'; it has size"),
        (ENCODERS, "timm:a,random=maybe", "option random=maybe is not a bool"),
        (ENCODERS, "timm:a,random=", "option random= is not a bool"),
        (ENCODERS, "timm:a,classes=ten", "option classes=ten is not a int"),
        (ENCODERS, "timm:a,classes=1.5", "option classes=1.5 is not a int"),
        (ENCODERS, f"timm:a,classes={1 << 63}", f"option classes={1 << 63} is not a int"),
        (ANNOTATIONS, "coco:source=x", "format coco has no option 'source'"),
    ],
)
def test_what_a_family_does_not_have_is_refused(family, spec, message):
    with pytest.raises(UsageError) as caught:
        plugins.parse(family, spec)
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.fixture
def family(tmp_path, monkeypatch):
    """Make a family with one member of some source."""

    def make(source):
        folder = tmp_path / "shapes"
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        (folder / "round.py").write_text(source)
        monkeypatch.setattr(plugins, "PACKAGE", tmp_path)
        return Family(f"shapes-{id(folder)}".partition("-")[0], "shape", "draw", ("pen",))

    yield make
    plugins.members.cache_clear()


SHAPE = '''"""A round shape.

More.
"""

import nothing_that_is_there


def draw(pen, centre: str, *, radius: float = 1.5, filled: bool = False, name: str | None = None):
    pass
'''


def test_a_new_member_is_one_new_file(family):
    made = family(SHAPE)
    member = plugins.members(made)["round"]
    assert (member.summary, member.values) == ("A round shape.", ("centre",))
    assert [option.default for option in member.options] == [1.5, False, None]
    assert plugins.listing(made) == "round:CENTRE[,radius=…] [,filled=…] [,name=…]"
    choice = plugins.parse(made, "round:here,radius=2.5,filled=1,name=nan")
    assert choice.options == {"radius": 2.5, "filled": True, "name": "nan"}
    with pytest.raises(UsageError, match="option radius=wide is not a float"):
        plugins.parse(made, "round:here,radius=wide")


def test_an_option_may_be_a_word_of_pythons_own(family):
    made = family('"""A shape."""\ndef draw(*, lambda_: float = 1.5): return lambda_\n')
    assert plugins.listing(made) == "round[:lambda=…]"
    choice = plugins.parse(made, "round:lambda=2.5")
    assert choice.options == {"lambda": 2.5}


def test_a_file_without_the_function_is_no_member(family):
    made = family(SHAPE.replace("def draw", "def paint"))
    with pytest.raises(UserError, match=r"round\.py: a shape needs a function draw"):
        plugins.listing(made)


def test_a_choice_calls_the_function_with_what_was_chosen(monkeypatch):
    voc = plugins.members(ANNOTATIONS)["voc"].load()
    monkeypatch.setattr(voc, "read", lambda *given, **chosen: (given, chosen))
    found = plugins.parse(ANNOTATIONS, "voc:one_based=0").call("source")
    assert found == (("source",), {"one_based": False})
