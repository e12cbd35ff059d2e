"""The notebooks of the course as pages, with what their cells printed.

``scripts/docs --course`` runs them and keeps the results in build/course; a notebook that has
none, or has changed since, is shown without outputs.

"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[1]
KEPT = TOP / "build" / "course"
# Of one cell; a page is to be read.
MOST_LINES = 60


def notebooks() -> list[Path]:
    """Return the notebooks, in their order."""
    return sorted((TOP / "notebooks").glob("*.ipynb"))


def run() -> None:
    """Run each notebook from top to bottom on bare namespaces, and keep it with its outputs."""
    import nbformat
    from nbclient import NotebookClient

    os.environ["PLAYGROUND_ENGINE"] = "namespaces"
    KEPT.mkdir(parents=True, exist_ok=True)
    for path in notebooks():
        if _kept(path) is None:
            print(f"run {path.name}", file=sys.stderr)
            notebook = nbformat.read(path, as_version=4)
            NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
            nbformat.write(notebook, KEPT / path.name)


def as_page(path: Path) -> str:
    """Return a notebook as Markdown."""
    notebook = _kept(path) or _read(path)
    parts = []
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(_links(text))
            continue
        magic = text.startswith("%%host") and "python" not in text.split("\n", 1)[0]
        code = f"```{'console' if magic else 'py'}\n{text}\n```"
        if "solution" in cell["metadata"].get("tags", ()):
            parts.append('??? success "An answer"\n\n' + _indented(code))
            continue
        parts += [code, *map(_shown, _joined(cell.get("outputs", ())))]
    name = path.name
    parts.append(f"---\n\nThis page is the notebook `notebooks/{name}`: open it, and change it.")
    return "\n\n".join(filter(None, parts)) + "\n"


def _read(path: Path) -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def _kept(path: Path) -> dict[str, Any] | None:
    """Return the notebook as it was run, if it has not changed since."""
    kept = KEPT / path.name
    if not kept.exists():
        return None
    ran = _read(kept)
    sources = [["".join(cell["source"]) for cell in one["cells"]] for one in (ran, _read(path))]
    return ran if sources[0] == sources[1] else None


def _links(text: str) -> str:
    """Lead from notebook to notebook as page to page."""
    return re.sub(r"\(([\w-]+)\.ipynb\)", r"(\1.md)", text)


def _joined(outputs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return outputs with what was printed in one piece, and without empty ones."""
    joined: list[dict[str, Any]] = []
    for output in outputs:
        if output["output_type"] == "stream" and joined and "text" in joined[-1]:
            joined[-1] = {**output, "text": [*joined[-1]["text"], *output["text"]]}
        else:
            joined.append(output)
    return joined


def _shown(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if output["output_type"] == "stream":
        return _as_text("".join(output["text"]))
    for kind in ("image/svg+xml", "text/html"):
        if kind in data:
            # One line: Markdown takes an empty one for the end of HTML.
            text = re.sub(r"\s*\n\s*", " ", "".join(data[kind]))
            return f'<div class="cell-output">{text}</div>' if text.strip() else ""
    if "image/png" in data:
        png = "".join(data["image/png"]).replace("\n", "")
        assert base64.b64decode(png)
        return (
            f'<div class="cell-output"><img alt="a plot" src="data:image/png;base64,{png}"></div>'
        )
    if "text/markdown" in data:
        return "".join(data["text/markdown"])
    if "text/plain" in data:
        return _as_text("".join(data["text/plain"]))
    return ""


def _as_text(text: str) -> str:
    text = re.sub(r"\x1b\[[\d;]*m", "", text).rstrip()
    lines = text.splitlines()
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], "..."]
    shown = html.escape("\n".join(lines), quote=False)
    # An empty line would end the HTML.
    shown = shown.replace("\n\n", "\n&#8203;\n").replace("\n\n", "\n&#8203;\n")
    return f'<pre class="cell-output">{shown}</pre>' if text else ""


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


if __name__ == "__main__":
    run()
