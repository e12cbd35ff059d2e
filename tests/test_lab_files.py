"""The lab that a Python file declares."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from playground.errors import PlaygroundError, TopologyError
from playground.lab_files import load_lab

HOME = """\
from playground import Host, Lab, Link, Switch
home = Switch("home", subnet="192.168.1.0/24")
for name in ("h1", "h2"):
    Link(home, Host(name))
"""

Write = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Write:
    """Write a file of Python and return its path."""

    def write(text: str, name: str = "lab.py") -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return path

    return write


def test_a_file_of_nodes_makes_a_lab_of_its_name(written: Write) -> None:
    lab = load_lab(written(HOME, "coffee-shop.py"), None)
    assert lab.name == "coffee-shop"
    assert sorted(node.name for node in lab.nodes) == ["h1", "h2", "home"]


def test_a_files_lab_is_taken_as_it_is(written: Write) -> None:
    path = written(HOME + "lab = Lab(home, name='shop', ipv6=True)\n")
    lab = load_lab(path, None)
    assert (lab.name, lab.ipv6) == ("shop", True)


def test_what_stands_under_main_is_left_out(written: Write) -> None:
    path = written(HOME + "if __name__ == '__main__':\n    raise SystemExit('started')\n")
    assert load_lab(path, None).name == "lab"


def test_a_file_may_import_its_neighbour(written: Write) -> None:
    written(HOME, "neighbour_of_test_lab_files.py")
    path = written("from neighbour_of_test_lab_files import home\n")
    assert len(load_lab(path, None).nodes) == 3
    assert str(path.parent) not in sys.path


def test_one_of_several_labs_is_chosen_by_name(written: Write) -> None:
    path = written(
        HOME + "one = Lab(home, name='one')\ntwo = Lab(Host('x'), name='two')\n", "several.py"
    )
    assert load_lab(path, "two").name == "two"
    with pytest.raises(TopologyError, match=r"more than one lab: choose one of one, two"):
        load_lab(path, None)
    with pytest.raises(TopologyError, match=r"no lab named 'three'; the labs in it: one, two"):
        load_lab(path, "three")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("x = 1\n", "makes no lab", id="no lab"),
        pytest.param("x = 1\ny = z\n", "line 2: NameError: name 'z'", id="an exception"),
        pytest.param("x = 1\nfor\n", "line 2: invalid syntax", id="a syntax error"),
        pytest.param("raise SystemExit('no')\n", "ended with no", id="an exit"),
        pytest.param(
            "from playground import Host\n\nHost('bad name')\n", "line 3: ", id="a bad name"
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(
    written: Write, text: str, complaint: str
) -> None:
    path = written(text)
    with pytest.raises(PlaygroundError) as caught:
        load_lab(path, None)
    assert complaint in str(caught.value) and str(path) in str(caught.value)


def test_where_python_looks_is_put_back_though_the_file_changed_it(written: Write) -> None:
    before = [*sys.path]
    load_lab(written(HOME + "import sys; sys.path.insert(0, '/elsewhere')\n"), None)
    sys.path.remove("/elsewhere")
    assert sys.path == before
