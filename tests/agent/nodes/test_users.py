"""Users and groups, by the text of a node's own files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from playground.agent.nodes.entering import inside
from playground.agent.nodes.users import colon_file, find_account, find_group
from tests.support_agent import Namespaces, apart, needs_root

PASSWD = """root:x:0:0:root:/root:/bin/sh
alice:x:1000:1000:Alice,,,:/home/alice:/bin/bash
broken line
alice2:x:1000:1000::/home/other:/bin/sh
9:x:12:34::/home/nine:/bin/sh
"""
GROUP = "root:x:0:\nstaff:x:50:alice,bob\nalice:x:1000:\nwheel:x:10:alice\n"


@pytest.fixture(scope="module")
def h1() -> Any:
    with Namespaces("h1") as h:
        Path(f"/proc/{h.pid}/root/etc/passwd").write_text(PASSWD)
        Path(f"/proc/{h.pid}/root/etc/group").write_text(GROUP)
        yield h


def _found(pid: int, function: Any, wanted: str) -> Any:
    with inside(pid):
        found = function(wanted)
    return found if isinstance(found, int) else vars(found)


@needs_root
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("alice", ("alice", 1000, 1000, "/home/alice", "/bin/bash", [1000, 50, 10])),
        ("1000", ("alice", 1000, 1000, "/home/alice", "/bin/bash", [1000, 50, 10])),
        ("alice:staff", ("alice", 1000, 50, "/home/alice", "/bin/bash", [50])),
        ("alice:77", ("alice", 1000, 77, "/home/alice", "/bin/bash", [77])),
        # A name of digits is a name first.
        ("9", ("9", 12, 34, "/home/nine", "/bin/sh", [34])),
        ("4321", ("4321", 4321, 0, "/", "/bin/sh", [0])),
    ],
)
def test_a_user(h1: Namespaces, wanted: str, expected: tuple[Any, ...]) -> None:
    assert tuple(apart(_found, h1.pid, find_account, wanted).values()) == expected


@needs_root
@pytest.mark.parametrize(
    ("function", "wanted", "said"),
    [
        (find_account, "carol", "the node has no user 'carol'"),
        (find_account, "alice:sales", "the node has no group 'sales'"),
        (find_group, "broken line", "the node has no group 'broken line'"),
    ],
)
def test_a_user_that_there_is_not(h1: Namespaces, function: Any, wanted: str, said: str) -> None:
    with pytest.raises(LookupError, match=said):
        apart(_found, h1.pid, function, wanted)


def test_a_group_by_its_number_needs_no_line() -> None:
    assert find_group("4711") == 4711


def test_lines_that_are_too_short_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a:b:c\nd\n\ne:f:g:h\n")
    assert list(colon_file(f"{tmp_path}/file", 3)) == [["a", "b", "c"], ["e", "f", "g", "h"]]
    assert list(colon_file(f"{tmp_path}/none", 3)) == []
