"""Themes of drawings in SVG: colours as variables, by day and by night.

Drawings in SVG have two themes, "light" and "dark", and show whichever the reader has:
one in a page follows the page, one that stands alone what the reader prefers.

"""

from __future__ import annotations

from collections.abc import Mapping

Colours = Mapping[str, str]


def themed_css(name: str, themes: Mapping[str, Colours]) -> str:
    """Return CSS that gives each colour as a variable to what has the class ``name``.

    >>> themed_css("ladder", {"light": {"ink": "#000"}, "dark": {"ink": "#fff"}})
    '.ladder{--ink:#000}@media (prefers-color-scheme:dark){.ladder{--ink:#fff}}...'

    """
    by_day, by_night = _variables(themes["light"]), _variables(themes["dark"])
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
