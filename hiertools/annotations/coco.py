"""COCO and LVIS JSON: images, categories and boxes as x, y, width, height in pixels.

Lin et al. 2014 (arXiv:1405.0312); Gupta et al. 2019 (arXiv:1908.03195), whose categories have
WordNet synsets. An image's id is its file name without suffix.
"""

from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from hiertools.boxes import EDGE, Boxes, from_xywh
from hiertools.errors import UserError
from hiertools.files import json, trust
from hiertools.files.inputs import Source
from hiertools.files.json import Fields
from hiertools.files.texts import Texts

UNREAD = ("segmentation", "keypoints", "caption", "licenses", "info")


def sniff(source: Source) -> bool:
    """Return whether the input is a JSON object."""
    return source.head.removeprefix(BOM_UTF8).lstrip()[:1] == b"{"


def read(source: Source, *, label: str = "auto", skip: str = "") -> Iterator[Boxes]:
    """Read all boxes in one batch.

    label: which of a category's keys is the class id, `name` or `synset` (auto: synset where
    every category has one). skip: names of categories to leave out, with + between them.
    """
    document = json.loads(source.text(), source.name, object_pairs_hook=_without_unread)
    fields = Fields(document, source.name)
    images = {key: _image(image) for key, image in _by_id(fields, "images").items()}
    _check_once([image for image, _, _ in images.values()], f"{source.name}: images: the file name")
    categories = _by_id(fields, "categories")
    labels = _labels(categories, label, source.name)
    unwanted = _known_names(skip, categories, source.name)
    skipped = {labels[key] for key, c in categories.items() if c.text("name") in unwanted}
    yield replace(_boxes(fields, images, labels, _names(categories, labels)), skipped=skipped)


def _known_names(skip: str, categories: dict[Any, Fields], name: str) -> set[str]:
    unwanted = set(filter(None, skip.split("+")))
    known = {category.text("name") for category in categories.values()}
    for missing in sorted(unwanted - known):
        close = " or ".join(get_close_matches(missing, sorted(known)))
        hint = f"; did you mean {close}?" if close else ""
        raise UserError(f"{name}: no category has the name '{missing}' of skip={skip}{hint}")
    return unwanted


def _without_unread(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Drop what is large and not needed as soon as it is parsed."""
    found = json.unique_keys(pairs)
    for key in UNREAD:
        found.pop(key, None)
    return found


def _by_id(fields: Fields, key: str) -> dict[str | int, Fields]:
    found = [(_key(entry, "id"), entry) for entry in fields.objects(key)]
    _check_once([key for key, _ in found], f"{fields.name}: {key}: the id")
    return dict(found)


def _check_once(ids: list[Any], what: str) -> None:
    if len(set(ids)) != len(ids):
        twice = next(key for key, count in Counter(ids).items() if count > 1)
        raise UserError(f"{what} {twice!r} is there twice")


def _key(fields: Fields, key: str) -> str | int:
    value = fields.document.get(key)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise UserError(f"{fields.name}: {fields.place}.{key} is not an id")
    return value


def _image(image: Fields) -> tuple[str, int, int]:
    document = image.document
    key = "file_name" if "file_name" in document or "coco_url" not in document else "coco_url"
    path = image.text(key)
    if key == "coco_url":  # LVIS v1 has no file names
        path = PurePosixPath(urlsplit(path).path).name
    path = trust.check_inside(path, f"{image.name}: {image.place}")
    width, height = image.count("width"), image.count("height")
    if not 0 < width <= EDGE or not 0 < height <= EDGE:
        raise UserError(f"{image.name}: {image.place} has no width and height of 1 to {EDGE}")
    return str(PurePosixPath(path).with_suffix("")), width, height


def _labels(categories: dict[Any, Fields], label: str, name: str) -> dict[Any, str]:
    if label not in ("auto", "name", "synset"):
        raise UserError(f"{name}: the option label={label} is not auto, name or synset")
    if label == "auto":
        synsets = [c.document.get("synset") for c in categories.values()]
        unique = len(set(synsets)) == len(synsets)
        label = "synset" if synsets and None not in synsets and unique else "name"
    for category in categories.values():
        if not category.text(label):
            raise UserError(f"{name}: {category.place}.{label} is empty")
    return {key: category.text(label) for key, category in categories.items()}


def _names(categories: dict[Any, Fields], labels: dict[Any, str]) -> dict[str, str]:
    return {labels[key]: category.text("name") for key, category in categories.items()}


def _boxes(
    fields: Fields,
    images: dict[Any, tuple[str, int, int]],
    labels: dict[Any, str],
    names: dict[str, str],
) -> Boxes:
    found: list[tuple[str, str, list[float], tuple[int, int], bool]] = []
    annotations = fields.objects("annotations")
    ids = [_key(a, "id") for a in annotations if a.document.get("id") is not None]
    _check_once(ids, f"{fields.name}: annotations: the id")
    for annotation in annotations:
        image, category = _key(annotation, "image_id"), _key(annotation, "category_id")
        if image not in images or category not in labels:
            what = "image_id" if image not in images else "category_id"
            raise UserError(f"{annotation.name}: {annotation.place}.{what} is not in the file")
        name, *sides = images[image]
        crowd = bool(annotation.document.get("iscrowd", False))
        found.append((name, labels[category], _box(annotation), (sides[0], sides[1]), crowd))
    columns = list(zip(*found, strict=True)) or [(), (), (), (), ()]
    return Boxes(
        Texts.of(columns[0]),
        Texts.of(columns[1]),
        from_xywh(
            np.array(columns[2], np.float64).reshape(-1, 4),
            np.array(columns[3], np.int64).reshape(-1, 2),
        ),
        {"group_of": np.array(columns[4], bool)},
        names,
        [image[0] for image in images.values()],
    )


def _box(annotation: Fields) -> list[float]:
    values = annotation.list("bbox")
    if len(values) != 4:
        raise UserError(f"{annotation.name}: {annotation.place}.bbox has not 4 numbers")
    box = Fields(dict(zip("xywh", values, strict=True)), annotation.name, annotation.place)
    return [box.number(key) for key in "xywh"]
