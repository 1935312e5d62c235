"""Shifts of a few places carried smoothly over a mesh."""
from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import splu

REACH = 0.25     # dm over which a shift of one place fades
STIFFNESS = 1e6  # of the places' own shifts beside the smoothness


def carry(vertices: np.ndarray, triangles: np.ndarray, places: np.ndarray) -> np.ndarray:
    """[V,m]: how a shift of each place (a vertex) moves every vertex. Least |Laplacian|^2 + REACH^-4 |shift|^2 over the surface, with the places held; vertices that no
    triangle uses go with the nearest that is used."""
    n, corners = len(vertices), vertices[triangles].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    mass, stiff = np.zeros(n), sparse.csr_matrix((n, n))
    for i in range(3):
        np.add.at(mass, triangles[:, i], area / 3)
        a, b = corners[:, (i + 1) % 3] - corners[:, i], corners[:, (i + 2) % 3] - corners[:, i]
        cotangent = (a * b).sum(1) / np.maximum(2 * area, 1e-12) / 2
        j, k = triangles[:, (i + 1) % 3], triangles[:, (i + 2) % 3]
        edges = sparse.csr_matrix((np.r_[cotangent, cotangent], (np.r_[j, k], np.r_[k, j])), (n, n))
        stiff = stiff + sparse.diags(np.asarray(edges.sum(1)).ravel()) - edges
    used = np.where(mass > 0)[0]
    position = np.full(n, -1)
    position[used] = np.arange(len(used))
    stiff, mass = stiff[used][:, used], mass[used]
    held = sparse.csr_matrix((np.full(len(places), STIFFNESS), (position[places], position[places])), (len(used), len(used)))
    energy = stiff @ sparse.diags(1 / mass) @ stiff + REACH**-4 * sparse.diags(mass) + held
    aim = np.zeros((len(used), len(places)))
    aim[position[places], np.arange(len(places))] = STIFFNESS
    solved = splu(energy.tocsc()).solve(aim)
    nearest = [np.argmin(((vertices[used] - vertex) ** 2).sum(1)) for vertex in vertices]
    return solved[nearest]
