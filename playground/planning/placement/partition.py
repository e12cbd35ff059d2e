"""A graph cut into parts: METIS does it, by its package pymetis.

METIS finds a cut within a few percent of the best ones known, in milliseconds for hundreds
of vertices and a second for a hundred thousand.  It knows nothing of vertices that have to stand
in a certain part, nor of a hard limit: `placement.placing` sees to both.

"""

# George Karypis and Vipin Kumar, "A Fast and High Quality Multilevel Scheme for Partitioning
# Irregular Graphs", SIAM Journal on Scientific Computing 20 (1998).

from __future__ import annotations

from collections.abc import Mapping, Sequence

from playground.errors import EngineError

# METIS begins with chance; with the same number it comes to the same end.
_SEED = 1

# METIS counts in whole numbers: weights are parts of these.
_LARGEST_VERTEX, _LARGEST_EDGE = 100_000, 10_000


def partition(
    neighbours: Sequence[Mapping[int, float]], weights: Sequence[float], shares: Sequence[float]
) -> list[int]:
    """Return the part of each vertex, a number below ``len(shares)``.

    ``neighbours`` holds for each vertex those that it has an edge to, with the edge's weight,
    and each edge stands there twice.  ``weights`` are those of the vertices, ``shares`` is how
    much of their sum each part is to get.  The same arguments give the same parts.

    >>> partition([{1: 1.0}, {0: 1.0}], [1.0, 1.0], [1.0])
    [0, 0]

    """
    if len(shares) == 1 or not weights:
        return [0] * len(weights)
    try:
        import pymetis
    except ImportError as error:
        raise EngineError(
            "to spread a lab over several machines takes the package pymetis: "
            "pip install 'network-playground[swarm]'"
        ) from error
    starts, adjacent, edge_weights = [0], [], []
    heaviest = max((max(row.values()) for row in neighbours if row), default=1.0)
    for row in neighbours:
        for other, weight in row.items():
            adjacent.append(other)
            edge_weights.append(max(1, round(weight / heaviest * _LARGEST_EDGE)))
        starts.append(len(adjacent))
    largest = max(weights) or 1.0
    total = sum(shares)
    result = pymetis.part_graph(
        len(shares),
        pymetis.CSRAdjacency(starts, adjacent),
        vweights=[max(1, round(weight / largest * _LARGEST_VERTEX)) for weight in weights],
        eweights=edge_weights,
        tpwgts=_whole([share / total for share in shares]),
        options=pymetis.Options(seed=_SEED),
    )
    return list(result.vertex_part)


def _whole(shares: list[float]) -> list[float]:
    """Return shares whose sum is 1 as exactly as pymetis asks for."""
    return [*shares[:-1], 1.0 - sum(shares[:-1])]
