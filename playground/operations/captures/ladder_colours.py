"""Colours of a ladder of packets, by theme: lines of machines, and arrows by protocol."""

from __future__ import annotations

from collections.abc import Mapping

from playground.display.svg_themes import Colours

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
