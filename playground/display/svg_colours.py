"""Colours of drawings in SVG: light, dark, and whichever of them the reader has.

An SVG in a page follows the page, one that stands alone what the reader prefers.

"""

from __future__ import annotations

from collections.abc import Mapping

Colours = Mapping[str, str]


def style(name: str, light: Colours, dark: Colours) -> str:
    """Return CSS that gives each colour as a variable to what has the class ``name``.

    >>> style("ladder", {"ink": "#000"}, {"ink": "#fff"})
    '.ladder{--ink:#000}@media (prefers-color-scheme:dark){.ladder{--ink:#fff}}...'

    """
    by_day, by_night = _variables(light), _variables(dark)
    # JupyterLab and Notebook 7; VS Code; mkdocs-material.
    bright = ("[data-jp-theme-light=true]", ".vscode-light", "[data-md-color-scheme=default]")
    darkened = ("[data-jp-theme-light=false]", ".vscode-dark", "[data-md-color-scheme=slate]")
    return (
        f".{name}{{{by_day}}}"
        f"@media (prefers-color-scheme:dark){{.{name}{{{by_night}}}}}"
        f"{','.join(f'{page} .{name}' for page in bright)}{{{by_day}}}"
        f"{','.join(f'{page} .{name}' for page in darkened)}{{{by_night}}}"
    )


def _variables(colours: Colours) -> str:
    return ";".join(f"--{name}:{value}" for name, value in colours.items())
