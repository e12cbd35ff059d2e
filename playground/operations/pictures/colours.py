"""Colours of a lab's picture, by theme: nodes, cables, links that are down or impaired."""

from __future__ import annotations

from collections.abc import Mapping

from playground.display.svg_themes import Colours

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
