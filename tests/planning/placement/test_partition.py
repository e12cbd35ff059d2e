"""Graphs cut into parts."""

from __future__ import annotations

import sys

import pytest

from playground.errors import EngineError
from playground.planning.placement.partition import partition


def rows(count: int, edges: list[tuple[int, int, float]]) -> list[dict[int, float]]:
    found: list[dict[int, float]] = [{} for _ in range(count)]
    for a, b, weight in edges:
        found[a][b] = found[b][a] = weight
    return found


def test_two_triangles_on_a_string_are_cut_at_the_string() -> None:
    edges = [(0, 1, 1.0), (1, 2, 1.0), (0, 2, 1.0), (3, 4, 1.0), (4, 5, 1.0), (3, 5, 1.0)]
    parts = partition(rows(6, [*edges, (2, 3, 1.0)]), [1.0] * 6, [0.5, 0.5])
    assert parts[0] == parts[1] == parts[2] != parts[3] == parts[4] == parts[5]


def test_the_lighter_edge_is_cut() -> None:
    square = rows(4, [(0, 1, 100.0), (1, 2, 1.0), (2, 3, 100.0), (3, 0, 1.0)])
    parts = partition(square, [1.0] * 4, [0.5, 0.5])
    assert parts[0] == parts[1] != parts[2] == parts[3]


def test_parts_get_their_shares() -> None:
    ring = rows(100, [(number, (number + 1) % 100, 1.0) for number in range(100)])
    parts = partition(ring, [1.0] * 100, [3.0, 1.0])
    assert 70 <= parts.count(0) <= 80


def test_one_part_takes_all_and_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymetis", None)
    assert partition(rows(2, [(0, 1, 1.0)]), [1.0, 1.0], [1.0]) == [0, 0]
    with pytest.raises(EngineError, match=r"pip install 'network-playground\[swarm\]'"):
        partition(rows(2, [(0, 1, 1.0)]), [1.0, 1.0], [0.5, 0.5])
