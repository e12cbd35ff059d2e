"""The examples of README run as they stand there, and print what they say.

`scripts/fresh` runs these on a bare Debian, after the commands that README names.
A block of Python is a program; a comment behind or below a ``print`` is what it
prints, where ``...`` stands for anything.  What a block needs beside that stands
in `TOGETHER` and `SPECIAL`.

"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from playground.engines.seam import Engine
from playground.model.containers.arguments import ContainerArguments

TOP = Path(__file__).resolve().parents[1]
# Those of docs/ run in tests/test_how_to.py, all in one process.
PAGES = (TOP / "README.md", TOP / "notebooks" / "README.md")

# Blocks that go on inside the last `with` block of another.
TOGETHER = {
    "README.md: For a student: see it, and ask why": "README.md: A first network",
}


def blocks() -> Iterator[tuple[str, str]]:
    """Yield each block of Python with its name: the page, the heading, and a number if need be."""
    for page in PAGES:
        heading, count = "", 0
        pattern = r"^#+ ([^\n]+)$|^```(\w*)\n(.*?)^```$"
        for match in re.finditer(pattern, page.read_text(), re.M | re.S):
            if match[1]:
                heading, count = match[1], 0
            elif match[2] == "python":
                count += 1
                number = f", {count}" if count > 1 else ""
                yield f"{page.relative_to(TOP)}: {heading}{number}", match[3]


BLOCKS = dict(blocks())


def run(command: list[str], place: Path, status: int = 0) -> str:
    """Run a command where nothing of the clone is, on this test's engine; return what it prints."""
    done = subprocess.run(
        command, cwd=place, env=dict(os.environ), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def promised(block: str) -> list[str]:
    """The output that a block promises, in its order."""
    return re.findall(r"^ *print\(.*\)(?:  |\n *)# (\S.*)$", block, re.M)


def holds(text: str, wanted: str) -> bool:
    """Whether some line of a text is as wanted, with ``...`` for anything."""
    check = doctest.OutputChecker().check_output
    return any(check(f"{wanted}\n", f"{line}\n", doctest.ELLIPSIS) for line in text.splitlines())


def with_what_follows(name: str) -> str:
    """Return a block, and inside its last `with` those that go on there."""
    program = BLOCKS[name]
    for other, first in TOGETHER.items():
        if first == name:
            program += textwrap.indent(BLOCKS[other], "    ")
    # Another program of this user may run the same example.
    return re.sub(r'name="([\w-]+)"', rf'name="documents-\1-{os.getpid()}"', program)


def the_page_is_marked(place: Path) -> None:
    """An exercise, and what is said of a student whose page lacks a word."""
    student = BLOCKS["README.md: A first network"].partition("with Lab")[0]
    (place / "student.py").write_text(student)
    exercise = BLOCKS["README.md: For a teacher: exercises that mark themselves"]
    (place / "exercise_test.py").write_text(exercise)
    pytest_and_lab = [sys.executable, "-m", "pytest", "--lab", "student.py"]
    shown = run([*pytest_and_lab, "exercise_test.py"], place, status=1)
    (wanted,) = re.findall(r"^```\n(- \d of .*?)^```$", PAGES[0].read_text(), re.M | re.S)
    for line in wanted.splitlines():
        assert holds(shown, line), shown


def the_fault_is_explained(place: Path) -> None:
    """Where a router has lost a route, the explanation is the one shown."""
    program = """
    import doctest
    from playground import Host, Lab, Link, Router

    h1, modem, isp = Host("h1"), Router("modem"), Router("isp")
    www = Host("www.example.com", services=["http"])
    Link(modem, h1, subnet="192.168.1.0/24")
    Link(modem, isp)
    Link(isp, www)
    with Lab(h1, quiet=True) as lab:
        isp.run("ip route del 192.168.1.0/24")
        example = open("block").read()
        test = doctest.DocTestParser().get_doctest(example, globals(), "README", None, 0)
        options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        raise SystemExit(doctest.DocTestRunner(optionflags=options).run(test).failed)
    """
    (place / "block").write_text(BLOCKS["README.md: For a student: see it, and ask why, 2"])
    run([sys.executable, "-c", textwrap.dedent(program)], place)


# Blocks that are no program of their own, and what runs them.
SPECIAL: dict[str, Callable[[Path], None]] = {
    "README.md: For a student: see it, and ask why, 2": the_fault_is_explained,
    "README.md: For a teacher: exercises that mark themselves": the_page_is_marked,
}


def test_a_promise_is_the_comment_of_a_print() -> None:
    block = "print(a)  # A(1, ...)\nprint(b)\nwith x:\n    print(c)\n    # [1]\n"
    assert promised(block) == ["A(1, ...)", "[1]"]
    assert holds("B\nA(1, 2)\n", "A(1, ...)")
    assert not holds("B\nA(2, 2)\n", "A(1, ...)")


def test_the_tables_name_blocks_that_are_there() -> None:
    assert {*TOGETHER, *TOGETHER.values(), *SPECIAL} <= set(BLOCKS)


@pytest.mark.parametrize("name", [name for name in BLOCKS if name not in {*TOGETHER, *SPECIAL}])
def test_an_example_prints_what_it_says(name: str, tmp_path: Path, engine: Engine) -> None:
    program = with_what_follows(name)
    (tmp_path / "example.py").write_text(program)
    shown = run([sys.executable, "example.py"], tmp_path)
    for wanted in promised(program):
        assert holds(shown, wanted), shown


@pytest.mark.parametrize("name", SPECIAL)
def test_an_example_of_another_kind(name: str, tmp_path: Path, engine: Engine) -> None:
    SPECIAL[name](tmp_path)


def test_the_reference_lists_every_keyword_of_a_container() -> None:
    page = (TOP / "docs" / "reference" / "nodes.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| \S", page, re.MULTILINE)
    assert listed == list(ContainerArguments.__annotations__)
