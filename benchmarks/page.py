"""The page of all measurements: written part by part, so that what was measured is not lost."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple


class Side(NamedTuple):
    """A program that the other side of a measurement needs."""

    program: str
    measured: str
    advice: str


SIDES = (
    Side("mn", "Mininet", "scripts/bench --mininet installs it"),
    Side("brctl", "Mininet's switch", "apt-get install bridge-utils"),
    Side("cc", "the kernel's floor", "apt-get install gcc libc6-dev"),
    Side("tshark", "tshark's list of a capture", "apt-get install tshark"),
    Side("dot", "pictures laid out by graphviz", "apt-get install graphviz"),
)


def left_out(which: Callable[[str], str | None] = shutil.which) -> list[str]:
    """Return words for each program without which something is not measured."""
    return [
        f"{side.measured}, for want of {side.program} ({side.advice})"
        for side in SIDES
        if which(side.program) is None
    ]


def measure_parts(
    parts: Mapping[str, Callable[[], str]],
    write: Callable[[str], object],
    say: Callable[[str], object],
    head: str = "",
) -> list[str]:
    """Measure part after part, and write the page anew after each; return what failed.

    ``parts`` are measurements by the heading of what they return.  One that fails is
    a sentence in the page, and the others go on.

    """
    texts = [head]
    failed = []
    for name, measure in parts.items():
        begin = time.perf_counter()
        try:
            text = measure()
        except Exception as error:
            say(traceback.format_exc())
            say(f"{name}: not measured, go on with the rest")
            text = f"## {name}\n\nNot measured: {type(error).__name__}: {first_line(str(error))}\n"
            failed.append(name)
        say(f"{name}: took {time.perf_counter() - begin:.0f} s")
        texts.append(text)
        write(joined(texts))
    return failed


def merged(page: str, new: str) -> str:
    """Return a page with the sections of a new one in place of its own, or after them.

    >>> merged("# Page\\n\\n## One\\n1\\n\\n## Two\\n2\\n", "# New\\n\\n## Two\\n3\\n")
    '# Page\\n\\n## One\\n1\\n\\n## Two\\n3\\n'

    """
    head, *old = page.split("\n## ")
    sections = {part.partition("\n")[0]: part for part in [*old, *new.split("\n## ")[1:]]}
    return joined([head, *(f"## {part}" for part in sections.values())])


def joined(texts: Iterable[str]) -> str:
    """Return parts of a page as one, an empty line between."""
    return "\n\n".join(text.strip("\n") for text in texts) + "\n"


def first_line(text: str) -> str:
    return text.partition("\n")[0]
