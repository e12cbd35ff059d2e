"""Exports by name: a row for each tool."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from playground.lab.exports import data_files, diagrams
from playground.lab.exports.export_shapes import Export
from playground.lab.exports.to_compose import compose
from playground.lab.exports.to_containerlab import containerlab
from playground.lab.exports.to_kathara import kathara
from playground.planning.plan import Plan

EXPORTS: Mapping[str, Callable[[Plan], Export]] = {
    "ansible-inventory": data_files.inventory,
    "compose": compose,
    "containerlab": containerlab,
    "d2": diagrams.d2,
    "drawio": diagrams.drawio,
    "graphviz": diagrams.graphviz,
    "kathara": kathara,
    "mermaid": diagrams.mermaid,
    "networkx": data_files.networkx,
    "shell": data_files.shell,
}
