"""What is told of a verified pair: how many matches there are, and where some of them are."""

from hiertools.files.json import Document
from hiertools.files.verified import Pair

MATCHES = 200  # that are told of a pair, at the most
DIGITS = 1  # of a pixel


def explained(pair: Pair) -> Document:
    """Return the inliers of a pair, and places of the first: x, y in the query and in the hit."""
    places = pair.points[:MATCHES].astype(float).round(DIGITS)
    return {"inliers": len(pair), "tentative": pair.tentative, "matches": places.tolist()}
