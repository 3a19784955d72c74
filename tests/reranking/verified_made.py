"""Verified pairs that are made up: which places of one image are which of another."""

import numpy as np

from hiertools.files.verified import Pair

OPTIONS = {"ratio": 0.8, "pixels": 4.0, "model": "homography", "least": 6, "seed": 0}


def grid(x, y, count=25, step=4.0):
    """Return count places of a square grid whose first corner is x, y."""
    side = int(np.ceil(np.sqrt(count)))
    places = [(x + step * (n % side), y + step * (n // side)) for n in range(count)]
    return np.array(places, np.float32)


_NOTHING = Pair(np.zeros((0, 2), np.int32), np.zeros((0, 4), np.float32), None, 0)


class Made:
    """Pairs by the ids of their images: {(left, right): (places left, places right)}.

    All other pairs were looked at and have no inliers. A feature is known by its place.
    """

    def __init__(self, pairs, size=(200, 100)):
        self.options, self._size, self._pairs = OPTIONS, size, {}
        numbers = {}
        for (left, right), (x, y) in pairs.items():
            features = [
                [
                    numbers.setdefault((key, *place), len(numbers))
                    for key, place in ((left, tuple(a)), (right, tuple(b)))
                ]
                for a, b in zip(x.tolist(), y.tolist(), strict=True)
            ]
            points = np.hstack([x, y]).astype(np.float32)
            pair = Pair(np.array(features, np.int32), points, np.eye(3), len(points))
            self._pairs[left, right] = pair

    def pair(self, left, right):
        if (left, right) in self._pairs:
            return self._pairs[left, right]
        found = self._pairs.get((right, left))
        return _NOTHING if found is None else found.reversed()

    def others(self, key):
        found = [
            (b if a == key else a, len(pair))
            for (a, b), pair in self._pairs.items()
            if key in (a, b)
        ]
        return sorted(found, key=lambda each: (-each[1], each[0]))

    def size(self, key):
        return self._size
