"""Colours of all that is drawn: pictures of labs, ladders of packets, plots.

Drawings in SVG have two themes, "light" and "dark", and show whichever the reader has:
one in a page follows the page, one that stands alone what the reader prefers.

"""

from __future__ import annotations

from collections.abc import Mapping

Colours = Mapping[str, str]

# Of a lab's picture, by theme.
PICTURE_COLOURS: Mapping[str, Colours] = {
    "light": {
        "paper": "#ffffff",
        "ink": "#1f2933",
        "soft": "#52606d",
        "cable": "#7b8794",
        "host": "#f5f7fa",
        "host-edge": "#748ba2",
        "router": "#e3f0ff",
        "router-edge": "#2f6fb7",
        "nat": "#fff1dc",
        "nat-edge": "#c2680c",
        "switch": "#e2f5ec",
        "switch-edge": "#24855f",
        "down": "#c81e1e",
        "impaired": "#a16207",
        "region": "#f4e3ff",
        "region-edge": "#b58bd1",
    },
    "dark": {
        "paper": "#111418",
        "ink": "#e6ebf0",
        "soft": "#a3b0bd",
        "cable": "#7d8b99",
        "host": "#232a32",
        "host-edge": "#6b7f93",
        "router": "#182f4a",
        "router-edge": "#6aa9ee",
        "nat": "#42300f",
        "nat-edge": "#eba44d",
        "switch": "#133a2c",
        "switch-edge": "#56c596",
        "down": "#ff7b72",
        "impaired": "#e3b341",
        "region": "#2c2138",
        "region-edge": "#7d5a9c",
    },
}

# Of a ladder of packets, by theme.
LADDER_COLOURS: Mapping[str, Colours] = {
    "light": {
        "paper": "#ffffff",
        "edge": "#d9e0e6",
        "ink": "#1f2933",
        "soft": "#52606d",
        "life": "#c3ccd5",
        "host": "#f1f4f8",
        "host-edge": "#829ab1",
        "router": "#e3f0ff",
        "router-edge": "#2f6fb7",
        "tcp": "#3e4c59",
        "app": "#18794e",
        "tls": "#7c3aad",
        "dns": "#0e6fb3",
        "arp": "#0b7285",
        "icmp": "#b1367f",
        "dhcp": "#9a5b00",
        "bad": "#c81e1e",
    },
    "dark": {
        "paper": "#111418",
        "edge": "#2b333b",
        "ink": "#e6ebf0",
        "soft": "#a3b0bd",
        "life": "#46525e",
        "host": "#232a32",
        "host-edge": "#6b7f93",
        "router": "#182f4a",
        "router-edge": "#6aa9ee",
        "tcp": "#b8c4cf",
        "app": "#56c596",
        "tls": "#c79bea",
        "dns": "#6cb6f5",
        "arp": "#4fc3d4",
        "icmp": "#f08bc4",
        "dhcp": "#e3b341",
        "bad": "#ff7b72",
    },
}

# Of plots, for every theme.
# Graphics want a contrast of 3:1 (WCAG 2.1, 1.4.11): on white and on #111111, JupyterLab's dark
# ground, each of these has 3.2:1 or more, and the text 3.9:1.
PLOT_TEXT = "#7b7b7b"
# Of the ticks of y.  Where all ticks are darker than the middle, or lighter, matplotlib-inline asks
# JupyterLab to put a transparent figure on white, or on black.
PLOT_LIGHTER = "#808080"
PLOT_LINES = ("#3b82c4", "#c77c11", "#2f9e62", "#a86fd0", "#c9538c", "#4f9aa8")
PLOT_WRONG = "#e0483e"


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
