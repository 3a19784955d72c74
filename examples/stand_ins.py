"""Stand-ins for embeddings of photographs, where there are coordinates and no photographs.

They come from the location encoder that the package geoclip carries: its features say where a
place is, and little else. A photograph says mostly other things, so a stand-in is

    unit(feature - mean + 0.02 noise + s nuisance)

where `feature` is the unit feature of the coordinates moved by about 40 km, `mean` that of all of
geoclip's coordinates, and `nuisance` a normal vector in one fixed random subspace of 64 dimensions.
s is chosen so that the nearest mean image finds the country of about as many stand-ins as of
photographs in the paper, 58 %: about 0.32 with 16,000 images in the 27 countries of the EU, 0.22
with 4,800 in 50 countries of Europe. What is measured on stand-ins is no result on images.

    python stand_ins.py coordinates WHEEL -n 20000 [--box SOUTH WEST NORTH EAST]  > coordinates.csv
    python stand_ins.py embed WHEEL CSV... [--nuisance 0.32] [--seed 0]     X.csv to X.npy, X.ids

Location encoder: GeoCLIP (Cepeda et al. 2023, arXiv:2309.16020): the Equal Earth projection
(Savric et al. 2018), random Fourier features of three widths, an MLP for each, and their sum.
"""

import argparse
import csv
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch

WEIGHTS, GALLERY = "weights/location_encoder_weights.pth", "gps_gallery/coordinates_100K.csv"
EQUAL_EARTH = (1.340264, -0.081106, 0.000893, 0.003796)
DEGREES_OF_A_UNIT = 66.50336 / 180  # by which GeoCLIP divides the projected plane
KM_OF_A_DEGREE = 111.195
JITTER_KM, NOISE, NUISANCE_DIMENSIONS = 40.0, 0.02, 64
WORLD_OF_THE_NUISANCE = 7  # seed of its subspace: the same for all files
ROWS = 4096


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    listing = verbs.add_parser("coordinates", help="print geoclip's coordinates as CSV")
    listing.add_argument("wheel", type=Path)
    listing.add_argument("-n", type=int, default=100_000, help="how many, drawn by the seed")
    listing.add_argument("--box", type=float, nargs=4, default=(-90, -180, 90, 180))
    embedding = verbs.add_parser("embed", help="make stand-ins of the rows of CSV files")
    embedding.add_argument("wheel", type=Path)
    embedding.add_argument("tables", type=Path, nargs="+")
    embedding.add_argument("--nuisance", type=float, default=0.32, help="s, see above")
    for verb in (listing, embedding):
        verb.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.verb == "coordinates":
        write_coordinates(given.wheel, given.n, given.box, given.seed)
        return
    rng = np.random.default_rng(given.seed)
    encoder, mean = Encoder(given.wheel), None
    mean = encoder(gallery(given.wheel)[::20]).mean(0)
    for table in given.tables:
        ids, places = read_table(table)
        np.save(table.with_suffix(".npy"), stand_ins(encoder, mean, places, given.nuisance, rng))
        table.with_suffix(".ids").write_text("".join(f"{each}\n" for each in ids))


def write_coordinates(wheel: Path, n: int, box: tuple[float, ...], seed: int) -> None:
    """Print n of the coordinates in a box, in the order of the file."""
    south, west, north, east = box
    places = gallery(wheel)
    inside = (places >= (south, west)).all(1) & (places <= (north, east)).all(1)
    (rows,) = np.nonzero(inside)
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:n])
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["id", "latitude", "longitude"])
    out.writerows([int(row), *places[row].tolist()] for row in rows)


def gallery(wheel: Path) -> np.ndarray:
    """Return geoclip's 100,000 coordinates of photographs, latitude and longitude in degrees."""
    with zipfile.ZipFile(wheel) as packed:
        (name,) = [name for name in packed.namelist() if name.endswith(GALLERY)]
        return np.loadtxt(io.BytesIO(packed.read(name)), delimiter=",", skiprows=1)


def read_table(path: Path) -> tuple[list[str], np.ndarray]:
    """Return ids and coordinates of the rows of a CSV file."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    places = [(float(row["latitude"]), float(row["longitude"])) for row in rows]
    return [row["id"] for row in rows], np.array(places).reshape(-1, 2)


class Encoder:
    """Unit features (n x d) of coordinates in degrees (n x 2)."""

    def __init__(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as packed:
            (name,) = [name for name in packed.namelist() if name.endswith(WEIGHTS)]
            data = io.BytesIO(packed.read(name))
        weights = torch.load(data, weights_only=True, map_location="cpu")
        self.parts = [
            {key.partition(".")[2]: w for key, w in weights.items() if key.startswith(part)}
            for part in sorted({key.partition(".")[0] for key in weights})
        ]

    @torch.no_grad()
    def __call__(self, places: np.ndarray) -> np.ndarray:
        """Return the features."""
        plane = torch.from_numpy(equal_earth(places).astype(np.float32))
        blocks = [self._features(block) for block in plane.split(ROWS)]
        return torch.nn.functional.normalize(torch.cat(blocks), dim=1).numpy()

    def _features(self, plane: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(())
        for part in self.parts:
            phase = 2 * torch.pi * plane @ part["capsule.0.b"].T
            x = torch.cat([phase.cos(), phase.sin()], 1)
            for layer in (1, 3, 5):
                weight, bias = (part[f"capsule.{layer}.{name}"] for name in ("weight", "bias"))
                x = torch.relu(torch.nn.functional.linear(x, weight, bias))
            total = total + torch.nn.functional.linear(
                x, part["head.0.weight"], part["head.0.bias"]
            )
        return total


def equal_earth(places: np.ndarray) -> np.ndarray:
    """Return coordinates in degrees on the plane of the Equal Earth projection, as GeoCLIP has."""
    phi, lam = np.radians(places).T
    a, b, c, d = EQUAL_EARTH
    theta = np.arcsin(np.sqrt(3) / 2 * np.sin(phi))
    slope = a + 3 * b * theta**2 + theta**6 * (7 * c + 9 * d * theta**2)
    x = 2 * np.sqrt(3) * lam * np.cos(theta) / (3 * slope)
    y = theta * (a + b * theta**2 + theta**6 * (c + d * theta**2))
    return np.stack([x, y], 1) * DEGREES_OF_A_UNIT


def stand_ins(
    encoder: Encoder, mean: np.ndarray, places: np.ndarray, s: float, rng: np.random.Generator
) -> np.ndarray:
    """Return a stand-in for a photograph at each place, unit length, n x d."""
    across = np.cos(np.radians(places[:, :1])).clip(0.01)
    moved = places + rng.normal(0, JITTER_KM / KM_OF_A_DEGREE, places.shape) / np.hstack(
        [np.ones_like(across), across]
    )
    features = encoder(moved) - mean
    n, d = features.shape
    subspace = np.random.default_rng(WORLD_OF_THE_NUISANCE).normal(size=(d, NUISANCE_DIMENSIONS))
    axes = np.linalg.qr(subspace)[0]
    nuisance = rng.normal(size=(n, NUISANCE_DIMENSIONS)) @ axes.T
    found = features + NOISE * rng.normal(size=(n, d)) + s * nuisance
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


if __name__ == "__main__":
    main()
