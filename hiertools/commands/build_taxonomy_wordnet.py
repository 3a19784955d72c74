"""`hiertools build-taxonomy wordnet`."""

from pathlib import Path
from typing import Annotated

import typer

from hiertools.commands import taxonomies
from hiertools.commands.options import NoProvenance, Overwrite
from hiertools.commands.taxonomies import Distance, DistanceName, Matrix, Output, Prune
from hiertools.errors import UserError

DEBIAN = Path("/usr/share/wordnet/data.noun")


def build_taxonomy_wordnet(
    classes: Annotated[
        Path,
        typer.Option(
            metavar="LIST|-",
            help="The classes in order, one a line: an id such as n01440764 and, if it is to have"
            " another name than WordNet's first word, a blank or comma and its name.",
            show_default=False,
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(metavar="FILE|-", help="WordNet's file of nouns, plain or gzip."),
    ] = DEBIAN,
    distance: DistanceName = Distance.path,
    prune: Prune = False,
    distances: Matrix = None,
    output: Output = Path("-"),
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Make the hierarchy of some of WordNet's nouns, such as those of ImageNet.

    All that is above a class by hypernyms and hypernyms of instances, up to `entity`. A synset
    with several hypernyms keeps them all.
    """
    options = dict(locals())
    from hiertools import wordnet
    from hiertools.files import inputs
    from hiertools.files.provenance import Run

    taxonomies.check_outputs(options)
    inputs.check_stdin_once([classes, data])
    if data == DEBIAN and not data.exists():
        raise UserError(
            f"{data}: no such file; `apt install wordnet-base` brings it, or name WordNet 3.0's"
            " data.noun with --data"
        )
    run = Run("build-taxonomy wordnet", options, keep=not no_provenance)
    name = "standard input" if classes == inputs.STDIN else str(classes)
    keys, names = wordnet.class_list(run.used(classes, inputs.lines(classes)), name)
    source = inputs.Source(data)
    nouns = wordnet.read_nouns(source)
    run.add_input(data, source.digest())
    graph = wordnet.graph(nouns, keys, names, name=name)
    about = {"format": "wordnet", "files": [source.name]}
    about |= {"wordnet": nouns.version} if nouns.version else {}
    taxonomies.write(run, graph, options, about)
