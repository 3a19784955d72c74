"""Boxes: x0, y0, x1, y1, from the top left of the image or of a whole."""

Box = tuple[float, float, float, float]


def inside(box: Box, part: Box, mirrored: bool) -> Box:
    """Return the box of a part that is given in fractions of its whole's box."""
    x0, y0, x1, y1 = box
    u0, v0, u1, v1 = part
    if mirrored:
        u0, u1 = 1 - u1, 1 - u0
    return (
        x0 + u0 * (x1 - x0), y0 + v0 * (y1 - y0), x0 + u1 * (x1 - x0), y0 + v1 * (y1 - y0),
    )  # fmt: skip


def shared(a: Box, b: Box) -> Box:
    """Return the box that two boxes share; it has no area where they do not meet."""
    x0, y0 = max(a[0], b[0]), max(a[1], b[1])
    return x0, y0, max(x0, min(a[2], b[2])), max(y0, min(a[3], b[3]))


def area(box: Box) -> float:
    """Return the area of a box."""
    return (box[2] - box[0]) * (box[3] - box[1])


def meet(a: Box, b: Box) -> bool:
    """Return whether two boxes overlap."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
