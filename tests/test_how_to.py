"""The pages of docs/: each block of Python runs as it stands there, on bare namespaces.

The blocks of a page are one program, in their order.  A comment behind or below a ``print``
is what it prints, where ``...`` stands for anything.  A block whose first line is a comment
with the name of a file (``# client.py``) is that file, and lies beside the program.  A block
of ``console`` that begins with ``$`` is a command of a terminal, and is not run.

"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path

import pytest

from playground.engines.namespaces.engine import NamespacesEngine
from tests.machine import ours
from tests.test_documents import holds, promised

DOCS = Path(__file__).resolve().parents[1] / "docs"
# Whatever stands in docs/, by its name without the ending: how-to/vlans, tutorial.
PAGES = {
    str(path.relative_to(DOCS).with_suffix("")): path.read_text()
    for path in sorted(DOCS.glob("**/*.md"))
    if "```python" in path.read_text()
}
# Those that join a lab with this machine's own network, which other tests watch.
ALONE = {"how-to/internet-access"}
# Those of what this kernel may lack run on the second one, by rows of `model.kernel.features`.
NEEDING = {"how-to/vrfs": ("vrf",), "how-to/mpls": ("mpls",)}


def blocks(text: str) -> list[str]:
    """Return the blocks of Python of a page."""
    return re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)


def run(text: str, place: Path) -> str:
    """Run a page's blocks in this process, in a folder of their own; return what they print."""
    # As a module of its own: what h1.call(...) sends is looked up in it.
    names: dict[str, object] = {"__name__": "__how_to__"}
    out = io.StringIO()
    with contextlib.chdir(place), contextlib.redirect_stdout(out):
        for number, block in enumerate(blocks(text), 1):
            if file := re.match(r"# ([\w.-]+\.\w+)\n", block):
                Path(file[1]).write_text(block)
                continue
            source = place / f"block-{number}.py"
            source.write_text(block)  # for a traceback, and for what looks for a function's source
            exec(compile(block, str(source), "exec"), names)
    return out.getvalue()


def take_down(engine: NamespacesEngine) -> None:
    """End the labs that a page keeps, which are to go on when its program has ended."""
    for record in ours(engine.labs()):
        if record.keep:
            engine.stop(record.id)


def marks(page: str) -> list[pytest.MarkDecorator]:
    """Return the marks of the test of a page."""
    found = [pytest.mark.alone] if page in ALONE else []
    return [*found, pytest.mark.second_kernel(*NEEDING[page])] if page in NEEDING else found


@pytest.mark.parametrize("page", [pytest.param(page, marks=marks(page)) for page in PAGES])
def test_a_page_does_what_it_says(
    page: str,
    tmp_path: Path,
    namespaces_engine: NamespacesEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    try:
        shown = run(PAGES[page], tmp_path)
    finally:
        for name in set(sys.modules) - before:
            if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]
        take_down(namespaces_engine)
    for wanted in promised("\n".join(blocks(PAGES[page]))):
        assert holds(shown, wanted), f"{wanted!r} is not in:\n{shown}"
