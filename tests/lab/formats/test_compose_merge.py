"""Services of compose files upon each other, and paths that do not depend on a place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from playground.lab.formats.compose_merge import (
    merged_files,
    merged_lines,
    merged_services,
    rooted,
)


@pytest.mark.parametrize(
    ("below", "above", "merged"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"command": "a b"}, {"command": ["c"]}, {"command": ["c"]}),
        ({"entrypoint": ["a"]}, {"entrypoint": ["b"]}, {"entrypoint": ["b"]}),
        (
            {"healthcheck": {"test": ["CMD", "a"], "retries": 1}},
            {"healthcheck": {"test": ["CMD", "b"]}},
            {"healthcheck": {"test": ["CMD", "b"], "retries": 1}},
        ),
        (
            {"environment": ["A=1", "B"]},
            {"environment": {"A": 2}},
            {"environment": {"A": 2, "B": None}},
        ),
        (
            {"depends_on": ["a"]},
            {"depends_on": {"b": {"condition": "service_healthy"}}},
            {
                "depends_on": {
                    "a": {"condition": "service_started"},
                    "b": {"condition": "service_healthy"},
                }
            },
        ),
        (
            {"extra_hosts": ["a:1.1.1.1"]},
            {"extra_hosts": {"b": "::1"}},
            {"extra_hosts": {"a": "1.1.1.1", "b": "::1"}},
        ),
        (
            {"volumes": ["./a:/x", "b:/y"]},
            {"volumes": [{"type": "volume", "source": "c", "target": "/x"}, "/z"]},
            {"volumes": [{"type": "volume", "source": "c", "target": "/x"}, "b:/y", "/z"]},
        ),
        ({"ports": ["80"]}, {"ports": ["80", "90"]}, {"ports": ["80", "90"]}),
        ({"secrets": ["a"]}, {"secrets": [{"source": "b", "target": "a"}]}, None),
        ({"build": "."}, {"build": {"target": "t"}}, {"build": {"context": ".", "target": "t"}}),
        ({"dns": "1.1.1.1"}, {"dns": "1.0.0.1"}, {"dns": ["1.1.1.1", "1.0.0.1"]}),
        ({"image": "a"}, {"image": None}, {"image": "a"}),
    ],
    ids=range(13),
)
def test_a_service_upon_another(
    below: dict[str, Any], above: dict[str, Any], merged: dict[str, Any] | None
) -> None:
    assert merged_services(below, above) == (above if merged is None else merged)


def test_a_file_upon_another() -> None:
    below = {"name": "x", "services": {"a": {"image": "i"}}, "volumes": {"v": None}}
    above = {"services": {"a": {"user": 1}, "b": None}, "volumes": {"v": {"driver": "local"}}}
    assert merged_files(below, above) == {
        "name": "x",
        "services": {"a": {"image": "i", "user": 1}, "b": None},
        "volumes": {"v": {"driver": "local"}},
    }


def test_of_an_item_that_two_lists_have_the_line_is_the_list_s() -> None:
    below = {("a",): "one:1", ("a", 0): "one:2", ("a", 1): "one:3"}
    above = {("a",): "two:1", ("a", 0): "two:2"}
    assert merged_lines(below, above) == {("a",): "two:1", ("a", 1): "one:3"}


def test_paths_begin_where_their_file_lies() -> None:
    data = {
        "services": {
            "a": {
                "build": "app",
                "env_file": "x.env",
                "volumes": ["./d:/d", "named:/n", "/abs:/a", {"type": "bind", "source": "e"}],
            },
            "b": {"build": {"context": "https://example.com/x.git"}},
            "c": None,
        },
        "secrets": {"s": {"file": "s.txt"}, "t": {"environment": "T"}},
    }
    assert rooted(data, Path("/p")) == {
        "services": {
            "a": {
                "build": {"context": "/p/app"},
                "env_file": ["/p/x.env"],
                "volumes": [
                    "/p/d:/d",
                    "named:/n",
                    "/abs:/a",
                    {"type": "bind", "source": "/p/e"},
                ],
            },
            "b": {"build": {"context": "https://example.com/x.git"}},
            "c": None,
        },
        "secrets": {"s": {"file": "/p/s.txt"}, "t": {"environment": "T"}},
    }
