"""Buttons that zoom a picture, in its corner; keys and wheels do it too."""

from __future__ import annotations

from nicegui import ui
from nicegui.element import Element

# Icon, words, method of the picture's script, its arguments.
BUTTONS = (
    ("add", "Larger", "zoom", "1.25"),
    ("remove", "Smaller", "zoom", "0.8"),
    ("fit_screen", "All of it", "fit", ""),
)


def zoom_buttons(picture: Element) -> None:
    """Put them into the current slot."""
    with ui.column().classes("pg-tools gap-1"):
        for icon, said, method, arguments in BUTTONS:
            ui.button(icon=icon).props(
                f'round dense unelevated color=grey-8 aria-label="{said}"'
            ).on("click", js_handler=f"() => getElement({picture.id}).{method}({arguments})")
