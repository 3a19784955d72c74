"""The geometries by their names, as models and files write them."""

from hiertools.geometry import euclidean, lorentz, sphere

GEOMETRIES = {"lorentz": lorentz, "euclidean": euclidean, "sphere": sphere}
