"""What must hold of the meta and of the weights of a model of `train classes`."""

from hiertools.errors import UserError
from hiertools.files.json import Document, Fields
from hiertools.files.tensors import Arrays

TEXTS = ("encoder", "digest", "output", "loss", "taxonomy_digest")
LINEAR = "linear"
ACTIVATIONS = ("relu", "gelu", "tanh", LINEAR)  # of the hidden layer


def check(fields: Fields, weights: Arrays) -> None:
    """Raise `UserError` if keys or weights are not those of a model of classes."""
    for key in TEXTS:
        fields.text(key)
    for key in ("preprocess", "training", "related"):
        fields.object(key)
    fields.one_of("geometry", ("euclidean",))
    fields.positive("c")
    fields.positive("scale")
    if not isinstance(fields.document.get("normalised"), bool):
        raise UserError(f"{fields.name}: normalised is neither true nor false")
    if fields.document.get("hidden") is not None:
        fields.one_of("hidden", ACTIVATIONS)
    classes = _classes(fields)
    counts = fields.list("counts")
    if len(counts) != classes or not all(type(n) is int and n >= 0 for n in counts):
        raise UserError(f"{fields.name}: counts is not a whole number for each class")
    _check_shapes(fields, weights, classes)


def summary(meta: Document) -> Document:
    """Return a meta as `hiertools info` shows it: of thousands of classes not each by itself."""
    short: Document = {}
    tree, counts = meta.get("taxonomy"), meta.get("counts")
    if isinstance(tree, dict):
        short["taxonomy"] = {
            key: len(value) if isinstance(value, list) else value for key, value in tree.items()
        }
    if isinstance(counts, list) and counts and all(type(n) is int for n in counts):
        short["counts"] = {"least": min(counts), "most": max(counts)}
    return {**meta, **short}


def _classes(fields: Fields) -> int:
    """Return the number of classes."""
    classes = Fields(fields.object("taxonomy"), fields.name, "taxonomy").texts("classes")
    if not classes:
        raise UserError(f"{fields.name}: there are no classes")
    return len(classes)


def _check_shapes(fields: Fields, weights: Arrays, classes: int) -> None:
    features, dimension = fields.count("features"), fields.count("dimension")
    if not features or not dimension:
        raise UserError(f"{fields.name}: features or dimension is 0")
    wanted: dict[str, tuple[int, ...]] = {
        "classifier.weight": (classes, dimension),
        "classifier.bias": (classes,),
    }
    if fields.document.get("hidden") is not None:
        wanted |= {"hidden.weight": (dimension, features), "hidden.bias": (dimension,)}
    elif features != dimension:
        raise UserError(f"{fields.name}: without a hidden layer features is not dimension")
    if {name: array.shape for name, array in weights.items()} != wanted:
        raise UserError(
            f"{fields.name}: the weights of this classes model have the shapes {wanted}"
        )
    if any(array.dtype != "f4" for array in weights.values()):
        raise UserError(f"{fields.name}: the weights of a classes model are float32")
