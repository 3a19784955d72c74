"""What must hold of the meta and of the weights of a model of `train geo`."""

from hiertools.errors import UserError
from hiertools.files.json import Fields
from hiertools.files.tensors import Arrays

GEOMETRIES = ("lorentz", "euclidean", "sphere")
ANCHORS = ("manifold", "tangent")
INPUTS = ("image", "text", "location")
TEXTS = ("encoder", "digest", "output", "loss", "entities")

Shapes = dict[str, tuple[int, ...]]


def check(fields: Fields, weights: Arrays) -> None:
    """Raise `UserError` if keys or weights are not those of a geo model."""
    for key in TEXTS:
        fields.text(key)
    for key in ("preprocess", "training"):
        fields.object(key)
    for key in ("c", "tau", "sigma", "power"):
        fields.positive(key)
    for key in ("features", "dimension", "hidden", "heads", "folds"):
        if not fields.count(key):
            raise UserError(f"{fields.name}: {key} is 0")
    fields.number("lambda")
    fields.number("dropout")
    levels, beta = fields.texts("levels"), fields.list("beta")
    if not levels or len(beta) != len(levels):
        raise UserError(f"{fields.name}: {len(beta)} numbers of beta for {len(levels)} levels")
    for key, known in (("inputs", INPUTS), ("without_means", levels)):
        if not set(fields.texts(key)) <= set(known):
            raise UserError(f"{fields.name}: {key} has others than {', '.join(known)}")
    for key in ("attention", "squared"):
        if not isinstance(fields.document.get(key), bool):
            raise UserError(f"{fields.name}: {key} is neither true nor false")
    _check_shapes(fields, weights)


def _check_shapes(fields: Fields, weights: Arrays) -> None:
    """Raise `UserError` unless the weights have the shapes that meta and anchors ask for."""
    found = {name: array.shape for name, array in weights.items()}
    nodes, width = found.get("entity.anchors"), found.get("entity.first.weight")
    if not nodes or not width or len(nodes) != 2 or len(width) != 2:
        raise UserError(f"{fields.name}: a geo model has anchors and a network of entities")
    wanted = _shapes(fields, nodes[0], width[1])
    if found != wanted:
        odd = sorted(name for name in found | wanted if found.get(name) != wanted.get(name))[0]
        raise UserError(
            f"{fields.name}: the weight {odd} has the shape {found.get(odd)}, not {wanted.get(odd)}"
        )
    if any(array.dtype != "f4" for array in weights.values()):
        raise UserError(f"{fields.name}: the weights of a geo model are float32")


def _shapes(fields: Fields, nodes: int, width: int) -> Shapes:
    geometry = fields.one_of("geometry", GEOMETRIES)
    flat = fields.one_of("anchor", ANCHORS) == "tangent" or geometry == "euclidean"
    features, d, hidden = (fields.count(key) for key in ("features", "dimension", "hidden"))
    layers = {
        "entity.first": (hidden, width),
        "entity.second": (hidden, hidden),
        "entity.third": (hidden, hidden),
        "entity.delta": (d, hidden),
        "image.first": (hidden, features),
        "image.second": (hidden, hidden),
        "image.delta": (d, hidden),
    }
    levels = len(fields.texts("levels")) if fields.document["attention"] else 0
    for level in range(levels):
        for name in ("query", "key", "value", "out"):
            layers[f"image.attention.{level}.{name}"] = (d, d)
    if levels:
        layers |= {"image.fuse_first": (hidden, levels * d), "image.fuse_second": (d, hidden)}
    found: Shapes = {f"{name}.weight": shape for name, shape in layers.items()}
    found |= {f"{name}.bias": shape[:1] for name, shape in layers.items()}
    scalars = ("entity.log_alpha", "image.log_alpha", "log_tau", "weight", "log_sigma")
    return {**found, "entity.anchors": (nodes, d if flat else d + 1), **dict.fromkeys(scalars, ())}
