"""model.h5: weights by name, with all that it takes to use them. No pickle."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hiertools.errors import UserError
from hiertools.files import classes_model, geo_model, hdf5, tensors
from hiertools.files.json import Document, Fields
from hiertools.files.tensors import Arrays

KIND = "model"
VERSION = 1
GEOMETRIES = ("lorentz", "euclidean")
TEXTS = ("encoder", "digest", "output", "loss")
FIRST = ("task", "geometry", "c", "encoder")


@dataclass(frozen=True)
class Model:
    """What a training has learned.

    weights: of the head, float32, any shape; encoder: the state of a fine-tuned encoder, empty
    if the encoder was left as it is; meta: of a `parts` model `geometry`, `features` and
    `dimension` (of its input and output), `c`, `alpha`, `tau`, and the `encoder`, `digest`,
    `preprocess` and `output` of the embeddings that it takes, its `loss` and `training`; of a
    `geo` model see `geo_model`, of a `classes` model `classes_model`.
    """

    task: str
    weights: Arrays
    encoder: Arrays
    meta: Document
    chain: list[Document] = field(default_factory=list)

    def __post_init__(self) -> None:
        fields = Fields(self.meta, "meta")
        if fields.text("task") != self.task:
            raise UserError(f"the model's task is {self.task!r}, its meta says otherwise")
        if self.task == "parts":
            _check_parts(fields, self.weights)
        if self.task == "geo":
            geo_model.check(fields, self.weights)
        if self.task == "classes":
            classes_model.check(fields, self.weights)


def _check_parts(fields: Fields, weights: Arrays) -> None:
    """Raise `UserError` if the keys or the weights are not those of a parts model."""
    for key in TEXTS:
        fields.text(key)
    for key in ("preprocess", "training"):
        fields.object(key)
    for key in ("c", "alpha", "tau"):
        fields.positive(key)
    geometry = fields.one_of("geometry", GEOMETRIES)
    shapes: dict[str, tuple[int, ...]] = {
        "head.weight": (fields.count("dimension"), fields.count("features")),
        "head.bias": (fields.count("dimension"),),
        **dict.fromkeys(("log_alpha", "log_tau"), ()),
        **({"log_c": ()} if geometry == "lorentz" else {}),
    }
    if {name: array.shape for name, array in weights.items()} != shapes:
        raise UserError(f"the weights of a {geometry} parts model have the shapes {shapes}")
    if any(array.dtype != np.float32 for array in weights.values()):
        raise UserError("the weights of a parts model are float32")


def write_model(path: Path, model: Model, *, chain: list[Document], overwrite: bool) -> None:
    """Write a model. Raises `UserError` if a weight is not finite."""
    _check_numbers(model, path)
    with hdf5.create(
        path, KIND, VERSION, meta=model.meta, chain=chain, overwrite=overwrite
    ) as writer:
        tensors.write(writer, "weights", model.weights)
        tensors.write(writer, "encoder", model.encoder)


def _check_numbers(model: Model, path: Path) -> None:
    try:
        tensors.check_numbers(model.weights, "weights", finite=True)
        tensors.check_numbers(model.encoder, "encoder", finite=False)  # masks may have -inf
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def read_model(path: Path) -> Model:
    """Read a model."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        weights, encoder = tensors.read(reader, "weights"), tensors.read(reader, "encoder")
        try:
            task = Fields(reader.meta, "meta").text("task")
            return Model(task, weights, encoder, reader.meta, reader.chain)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None


def digest_of(model: Model) -> str:
    """Return the sha256 of a model's weights, with their names, types and shapes."""
    return tensors.digest({"weights": model.weights, "encoder": model.encoder})


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound; `full` looks at every number."""
    model = read_model(path)
    if full:
        _check_numbers(model, path)


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        counts = {group: tensors.sizes(reader, group) for group in ("weights", "encoder")}
        about: Document = {key: reader.meta[key] for key in FIRST if key in reader.meta}
        about["parameters"] = counts["weights"]
        if counts["encoder"]:
            about["encoder_parameters"] = counts["encoder"]
        return {**about, **classes_model.summary(reader.meta)}
