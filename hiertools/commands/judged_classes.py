"""What `hiertools evaluate classes` reads: predictions, the truth, the hierarchy and tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools.errors import UserError

if TYPE_CHECKING:
    from hiertools.evaluation.class_answers import Answers
    from hiertools.evaluation.class_ground import Ground
    from hiertools.evaluation.class_reported import Reported
    from hiertools.evaluation.class_sizes import Sizes
    from hiertools.evaluation.class_truth import Judged, Truth
    from hiertools.files.hierarchy import Hierarchy
    from hiertools.files.json import Document
    from hiertools.files.provenance import Run


@dataclass(frozen=True)
class Predicted:
    """A file of predictions. header: {} if another program made it."""

    name: str
    header: "Document"
    answers: "Answers"

    @property
    def classes(self) -> list[str] | None:
        """Return the classes that there were to choose from, None if nobody says."""
        return self.header.get("classes")


def predictions(run: "Run", path: Path) -> Predicted:
    """Read predictions of classes."""
    from hiertools.evaluation import class_answers
    from hiertools.files import json
    from hiertools.files.class_predictions import KIND, read_class_predictions
    from hiertools.files.inputs import HDF5_MAGIC, Source
    from hiertools.profiling import work

    source = Source(path)
    kind = json.kind_of(source)
    if source.head.startswith(HDF5_MAGIC) or kind not in (None, KIND):
        what = "HDF5" if kind is None else json.file_of(kind)
        raise UserError(f"{source.name}: is {what}; predictions of hiertools classify are needed")
    header, found = read_class_predictions(source)
    with work("reading"):
        answers = class_answers.of_predictions(found)
    run.add_input(path, source.digest(), header.get("provenance"))
    if not len(answers):
        raise UserError(f"{source.name}: has no predictions")
    return Predicted(source.name, header, answers)


def hierarchy(run: "Run", path: Path) -> "Hierarchy":
    """Read a hierarchy."""
    from hiertools.files.inputs import Source
    from hiertools.files.trees import read_tree

    source = Source(path)
    found = read_tree(source)
    run.add_input(path, source.digest(), found.chain)
    return found


def check_tree(found: Predicted, tree: "Hierarchy", name: str, *, any_hierarchy: bool) -> None:
    """Raise `UserError` if predictions are of classes or edges that a hierarchy has not."""
    from hiertools import taxonomy

    known = {node.id for node in tree.nodes}
    if found.classes is None:
        foreign = sorted(set(found.answers.names) - known)
        if foreign:
            raise UserError(
                f"{found.name}: {name} lacks what is predicted: {taxonomy.listed(foreign)}"
            )
        return
    if not known.issuperset(found.classes):
        problem = taxonomy.difference(found.classes, tree.leaves, name=found.name, other=name)
        raise UserError(str(problem))
    digests = {
        taxonomy.of_hierarchy(tree, classes=found.classes, distance=distance).digest
        for distance in taxonomy.DISTANCES
    }
    if found.header["taxonomy"] not in digests and not any_hierarchy:
        raise UserError(
            f"{found.name}: the predictions are of another hierarchy than {name}, which has all"
            " their classes; to judge them by this one, give --any-hierarchy"
        )


def truth(run: "Run", path: Path | None, found: Predicted) -> "Truth":
    """Return what the items truly are: of a table or embeddings, else of the predictions."""
    from hiertools.evaluation import class_truth
    from hiertools.evaluation import truth as tables
    from hiertools.files import inputs
    from hiertools.files.embeddings import read_embeddings
    from hiertools.files.inputs import HDF5_MAGIC, Source

    if path is None:
        return class_truth.of_answers(found.name, found.answers)
    if Source(path).head.startswith(HDF5_MAGIC):
        embeddings = read_embeddings(path)
        run.add_input(path, inputs.digest_file(path), embeddings.chain)
        return class_truth.of_items(str(path), embeddings.items)
    table, sha256 = tables.read(path)
    run.add_input(path, sha256)
    return class_truth.of_items(str(path), table)


def sizes(
    run: "Run", path: Path | None, found: Predicted | None, classes: list[str]
) -> "Sizes | None":
    """Return how many items of each class there were in training, None if nobody says."""
    from hiertools.evaluation import class_sizes
    from hiertools.files import inputs
    from hiertools.files.inputs import HDF5_MAGIC, Source
    from hiertools.files.model import read_model

    if path is None:
        counts = None if found is None else found.header.get("counts")
        if found is None or counts is None:
            return None
        if found.classes is None or len(counts) != len(found.classes):
            raise UserError(f"{found.name}: the header's counts are not one for each class")
        known = dict(zip(found.classes, counts, strict=True))
        return class_sizes.sizes(f"{found.name}: the header", known, classes)
    source = Source(path)
    if not source.head.startswith(HDF5_MAGIC):
        table = class_sizes.read(source)
        run.add_input(path, source.digest())
        return class_sizes.sizes(source.name, table, classes)
    model = read_model(path)
    run.add_input(path, inputs.digest_file(path), model.chain)
    if model.task != "classes":
        raise UserError(f"{path}: is a model of {model.task}; one of train classes is needed")
    known = dict(zip(model.meta["taxonomy"]["classes"], model.meta["counts"], strict=True))
    return class_sizes.sizes(str(path), known, classes)


def reported(run: "Run", path: Path | None) -> "Reported | None":
    """Return a table of accuracies that somebody reports."""
    from hiertools.evaluation import class_reported
    from hiertools.files.inputs import Source

    if path is None:
        return None
    source = Source(path)
    found = class_reported.read(source)
    run.add_input(path, source.digest())
    if not found.rows:
        raise UserError(f"{source.name}: has no lines below its header")
    return found


def other(found: Predicted, judged: "Judged") -> "Answers":
    """Return another run's predictions of the items that are judged. Raises if it has others."""
    from hiertools.evaluation.class_answers import lacking

    answers, missing, more = found.answers.in_order_of(judged.answers.id)
    left_out = any(judged.left_out.values())
    said = lacking(found.name, "items that are judged", missing)
    said += lacking("the other file", f"items of {found.name}", [] if left_out else more)
    if said:
        raise UserError(f"{'; '.join(said)}; --against needs predictions for the same items")
    return answers


def ground(
    tree: "Hierarchy", classes: list[str], labels: list[list[str]], distance: str | None
) -> "Ground":
    """Return how classes and other labels relate."""
    from hiertools.evaluation import class_ground

    return class_ground.of_labels(
        tree, classes, [key for some in labels for key in some], distance=distance
    )


def rule(found: Predicted) -> Any:
    """Return the rule of predictions, None if another program made them."""
    return found.header.get("rule")
