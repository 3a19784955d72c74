"""Scenes that are made up: sets of local features, and pictures, whose geometry is known.

A set is LocalFeatures with descriptors at random, which are as far from each other as those of
different things are. A picture is a PIL image, for those who have a detector.
"""

import numpy as np
from PIL import Image, ImageDraw

from hiertools.files.local_features import LocalFeatures

WIDTH, HEIGHT = 1024, 768


def plane(n=1000, *, seed=0, width=WIDTH, height=HEIGHT, dimensions=32):
    """Return n features all over a picture."""
    rng = np.random.default_rng(seed)
    points = rng.uniform((0, 0), (width - 1, height - 1), (n, 2))
    return features(points, rng.normal(size=(n, dimensions)), width, height)


def features(points, descriptors, width=WIDTH, height=HEIGHT, scales=None):
    """Return features, their descriptors of length one."""
    points, descriptors = np.asarray(points, np.float32), np.asarray(descriptors, float)
    unit = descriptors / np.linalg.norm(descriptors, axis=1, keepdims=True)
    scales = np.ones(len(points)) if scales is None else scales
    return LocalFeatures(
        points, unit.astype(np.float32), np.asarray(scales, np.float32), width, height
    )


def seen(made, move, *, seed=1, lost=0.2, jitter=1.0, blur=0.1, width=None, height=None):
    """Return features seen again, in another order, and of each its row in `made`, -1 if new.

    move: takes points (n x 2) to where they are seen; lost: share of them that are not, and
    others are at random places instead; jitter: of points, in pixels; blur: of descriptors, the
    length of what is added to them.
    """
    rng = np.random.default_rng(seed)
    width, height = width or made.width, height or made.height
    points = move(made.keypoints.astype(float)) + rng.normal(scale=jitter, size=(len(made), 2))
    inside = ((points >= 0) & (points <= (width - 1, height - 1))).all(axis=1)
    rows = np.flatnonzero(inside & (rng.random(len(made)) >= lost))
    d = made.descriptors.shape[1]
    descriptors = made.descriptors[rows] + rng.normal(scale=blur / d**0.5, size=(len(rows), d))
    new = round(lost * inside.sum())
    points = np.vstack([points[rows], rng.uniform((0, 0), (width - 1, height - 1), (new, 2))])
    rows = np.concatenate([rows, np.full(new, -1)])
    order = rng.permutation(len(rows))
    descriptors = np.vstack([descriptors, rng.normal(size=(new, d))])
    return features(points[order], descriptors[order], width, height), rows[order]


def turned(degrees, scale=1.0, width=WIDTH, height=HEIGHT):
    """Return a move: a turn about the middle of the picture, and a change of size."""
    angle = np.radians(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([width - 1, height - 1]) / 2
    return lambda points: (points - middle) @ turn.T + middle


def folded(width=WIDTH, height=HEIGHT):
    """Return a move: the picture is folded along its middle, and its halves turn away.

    No homography takes both halves, but they hang together at the fold.
    """
    halves = fold(width, height)

    def move(points):
        left = points[:, :1] < width / 2
        return np.where(left, through(halves[0], points), through(halves[1], points))

    return move


def fold(width=WIDTH, height=HEIGHT):
    """Return the homographies of the two halves of a folded picture."""
    middle, w, h = width / 2, width, height
    left = homography(
        [(0, 0), (middle, 0), (middle, h), (0, h)],
        [(0.1 * w, 0.08 * h), (middle, 0), (middle, h), (0.1 * w, 0.92 * h)],
    )
    right = homography(
        [(middle, 0), (w, 0), (w, h), (middle, h)],
        [(middle, 0), (0.85 * w, 0.15 * h), (0.85 * w, 0.85 * h), (middle, h)],
    )
    return left, right


def homography(corners, others):
    """Return the homography that takes four points to four others (3 x 3)."""
    rows = []
    for (x, y), (u, v) in zip(corners, others, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    return np.append(np.linalg.solve(rows, np.ravel(others)), 1).reshape(3, 3)


def through(model, points):
    """Return points (n x 2) as a homography has them."""
    moved = np.column_stack([points, np.ones(len(points))]) @ np.asarray(model).T
    return moved[:, :2] / moved[:, 2:]


def patches(made, moves, *, seed=1, **how):
    """Return features of which only some squares are seen again, each moved in its own way.

    moves: (x0, y0, x1, y1) of a square and the (dx, dy) it is moved by; all else is at random.
    Also returns of each feature its row in `made`, -1 if new.
    """
    points = made.keypoints.astype(float)
    target = np.full_like(points, -1e6)  # not in the picture
    for (x0, y0, x1, y1), by in moves:
        inside = ((points >= (x0, y0)) & (points <= (x1, y1))).all(axis=1)
        target[inside] = points[inside] + by
    again, rows = seen(made, lambda _: target, seed=seed, lost=0.0, **how)
    others = plane(len(made) - len(again), seed=seed + 100, dimensions=made.descriptors.shape[1])
    return features(
        np.vstack([again.keypoints, others.keypoints]),
        np.vstack([again.descriptors, others.descriptors]),
        made.width, made.height,
    ), np.concatenate([rows, np.full(len(others), -1)])  # fmt: skip


def picture(*, seed=0, width=WIDTH, height=HEIGHT, marks=1500):
    """Return a grey picture with corners and blobs all over it."""
    rng = np.random.default_rng(seed)
    image = Image.new("L", (width, height), 128)
    draw = ImageDraw.Draw(image)
    for _ in range(marks):
        x, y = rng.uniform((0, 0), (width, height))
        size = rng.uniform(4, 28)
        corners = [
            (x + size * np.cos(a), y + size * np.sin(a))
            for a in np.sort(rng.uniform(0, 2 * np.pi, 4))
        ]
        draw.polygon(corners, fill=int(rng.integers(0, 256)))
    return image


def through_picture(image, model, size=None):
    """Return a picture as a homography shows it, grey where there is nothing."""
    inverse = np.linalg.inv(model)
    values = (inverse / inverse[2, 2]).ravel()[:8]
    return image.transform(
        size or image.size, Image.Transform.PERSPECTIVE, values,
        Image.Resampling.BICUBIC, fillcolor=128,
    )  # fmt: skip


def turned_picture(image, degrees, scale=1.0):
    """Return a picture that is turned about its middle as `turned` does it."""
    move = turned(degrees, scale, *image.size)
    origin, x, y = move(np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]))
    model = np.eye(3)
    model[:2] = np.column_stack([x - origin, y - origin, origin])
    return through_picture(image, model)


def folded_picture(image):
    """Return a picture that is folded as `folded` does it."""
    left, right = (through_picture(image, model) for model in fold(*image.size))
    left.paste(right.crop((image.width // 2, 0, *image.size)), (image.width // 2, 0))
    return left
