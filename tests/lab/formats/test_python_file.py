"""The lab that a Python file declares."""

from __future__ import annotations

import signal
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from playground.engines.namespaces.engine import NamespacesEngine
from playground.errors import PlaygroundError, TopologyError
from playground.lab.formats.python_file import load_lab

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
        path.parent.mkdir(parents=True, exist_ok=True)
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


def test_a_files_lab_without_a_name_has_the_files(written: Write) -> None:
    path = written(HOME + "lab = Lab(home)\n", "student.py")
    assert load_lab(path, None).name == "student"


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


def test_a_file_in_a_package_imports_relative_to_it(written: Write) -> None:
    for name in ("__init__.py", "inner/__init__.py"):
        written("", f"homes/{name}")
    written(HOME, "homes/parts.py")
    path = written("from ..parts import home\n", "homes/inner/lab.py")
    for _ in range(2):
        # The second has hosts of its own, and links none of the first's again.
        lab = load_lab(path, None)
        assert sorted(node.name for node in lab.nodes) == ["h1", "h2", "home"]
    assert not [name for name in sys.modules if name.partition(".")[0] == "homes"]


def test_a_folder_that_is_a_package_declares_a_lab(written: Write) -> None:
    written(HOME, "shop/parts.py")
    package = written("from .parts import home\n", "shop/__init__.py").parent
    first, second = load_lab(package, None), load_lab(package, None)
    assert first.name == "shop" and len(first.nodes) == 3
    assert not set(first.nodes) & set(second.nodes)
    (package / "__init__.py").unlink()
    with pytest.raises(TopologyError, match="is no package: it has no __init__"):
        load_lab(package, None)


@pytest.mark.parametrize("name", ["lab.v2.py", "coffee-shop.py", "__main__.py"])
def test_any_file_of_a_package_may_be_run(written: Write, name: str) -> None:
    written("", "many/__init__.py")
    path = written(HOME, f"many/{name}")
    link = path.parent.parent / "elsewhere.py"
    link.symlink_to(path)
    assert len(load_lab(path, None).nodes) == len(load_lab(link, None).nodes) == 3


def test_a_neighbour_is_imported_anew_each_time(written: Write) -> None:
    written(HOME, "neighbour_of_test_lab_files.py")
    path = written(
        "from playground import Host, Link\n"
        "from neighbour_of_test_lab_files import home\n"
        "Link(home, Host('h3'))\n"
    )
    assert [len(load_lab(path, None).nodes) for _ in range(2)] == [4, 4]


def test_a_relative_import_outside_a_package_gets_advice(written: Write) -> None:
    with pytest.raises(PlaygroundError, match=r"line 1: ImportError.*put an empty file .*__init__"):
        load_lab(written("from .parts import home\n"), None)


@pytest.mark.parametrize(
    "content", [b"\x7fELF\x02\x01\x01\0\0", b"\x8f\xff\xfe", b"x = 1\n# caf\xe9\n"]
)
def test_a_binary_file_is_no_python_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lab.py"
    path.write_bytes(content)
    with pytest.raises(PlaygroundError) as caught:
        load_lab(path, None)
    assert str(path) in str(caught.value) and "None" not in str(caught.value)


def test_a_file_that_goes_on_is_said_to(written: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playground.lab.formats.python_file._LONG_S", 0.05)
    said: list[str] = []
    load_lab(written(HOME + "\nimport time\ntime.sleep(0.3)\n"), None, say=said.append)
    assert len(said) == 1
    assert "still running" in said[0] and "lab.py, line 7, for 0 s" in said[0]


@pytest.mark.parametrize(
    "wait", ["time.sleep(30)", "while True: pass", "wait()"], ids=["sleeps", "spins", "swallows"]
)
def test_a_file_that_never_ends_is_ended(written: Write, wait: str) -> None:
    text = """
        import time
        def wait():
            try: time.sleep(30)
            except: time.sleep(30)
    """
    path = written(textwrap.dedent(text) + wait)
    before = signal.getsignal(signal.SIGUSR2)
    with pytest.raises(PlaygroundError, match=r"lab.py, line \d still ran after 0.2 s"):
        load_lab(path, None, limit_s=0.2)
    assert signal.getsignal(signal.SIGUSR2) == before
    assert not [thread for thread in threading.enumerate() if "lab.py" in thread.name]


def test_a_lab_that_the_file_starts_itself_is_said_to(
    written: Write, namespaces_engine: NamespacesEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAYGROUND_ENGINE", "namespaces")
    said: list[str] = []
    path = written(HOME + "with Lab(home, name='twice', quiet=True) as lab:\n    pass\n")
    assert load_lab(path, None, say=said.append).name == "twice"
    assert len(said) == 1
    assert "has started lab twice itself" in said[0] and "__main__" in said[0]
