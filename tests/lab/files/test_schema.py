"""The JSON schema takes what we write, and refuses what we refuse."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from playground import examples
from playground.lab.declarations.gather import gather
from playground.lab.files.schema import lab_file_schema
from playground.lab.files.writing import file_data
from playground.planning.planner import collect
from tests.lab.declarations import everything

VALIDATOR = Draft202012Validator(lab_file_schema())


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(lab_file_schema())


@pytest.mark.parametrize(
    "nodes",
    [
        *(everything.hosts_and_nat, everything.routing, everything.prefixes),
        examples.miniature_internet_nodes,
    ],
)
def test_what_we_write_is_valid(nodes: Callable[[], Any]) -> None:
    data = file_data({"name": "x"}, gather(collect(nodes())), Path.cwd())
    assert [error.message for error in VALIDATOR.iter_errors(_as_json(data))] == []


def _as_json(data: Any) -> Any:
    if isinstance(data, dict):
        return {str(key): _as_json(item) for key, item in data.items()}
    return [_as_json(item) for item in data] if isinstance(data, list) else data


@pytest.mark.parametrize(
    "data",
    [
        {"nodes": {}},
        {"playground": 1, "nods": {}},
        {"playground": 1, "nodes": {"h1": {"kind": "hub"}}},
        {"playground": 1, "nodes": {"h1": {"subnet": "10.0.0.0/8"}}},
        {"playground": 1, "nodes": {"h1": {"memory_mb": "64"}}},
        {"playground": 1, "nodes": {"s": {"kind": "switch", "image": "x"}}},
        {"playground": 1, "nodes": {"r": {"kind": "router", "calls": [{"masquerade": {}}]}}},
        {"playground": 1, "links": [["a"]]},
        {"playground": 1, "links": [{"nodes": ["a", "b"], "kind": "rope"}]},
    ],
)
def test_what_we_refuse_is_not_valid(data: Any) -> None:
    assert not VALIDATOR.is_valid(data)


def test_a_host_is_what_says_nothing() -> None:
    assert VALIDATOR.is_valid({"playground": 1, "nodes": {"h1": None, "h2": {"services": ["ssh"]}}})
