"""A terminal on a page: xterm.js, and what carries bytes between it and a `Terminal`."""

from __future__ import annotations

import asyncio
import codecs
import json
from collections.abc import Callable
from contextlib import suppress

from nicegui import background_tasks, ui
from nicegui.events import GenericEventArguments, XtermDataEventArguments

from playground.errors import PlaygroundError
from playground.frontends.web.content.scrollback import is_report
from playground.frontends.web.sessions.terminals import Looker, Size, Terminal
from playground.frontends.web.view import LabView

# Of output, to a browser at a time: it says when it has taken it.
_PIECE_BYTES = 16 << 10
_TAKEN_WITHIN_S = 10.0

# Of what somebody has typed or pasted, and the host has not read.
_MOST_TYPED = 1 << 20

# While a window is drawn larger its size changes with every frame.
_SETTLED_S = 0.15

_OPTIONS = {
    "cursorBlink": False,
    "fontSize": 13,
    "fontFamily": '"DejaVu Sans Mono", Menlo, Consolas, "Liberation Mono", monospace',
    "scrollback": 2000,
    "minimumContrastRatio": 4.5,
    "theme": {"background": "#10151a", "foreground": "#e6ebf0", "cursor": "#e6ebf0"},
}

# Tells the size that the box has room for, whenever that changes; keys that copy, paste, and
# leave: all others are the host's, Tab too.
_BEGIN = """
(() => {
  const begin = (tries) => {
    const box = getElement(%(id)d);
    if (!box || !box.terminal) { if (tries) setTimeout(() => begin(tries - 1), 50); return; }
    const tell = () => {
      const room = box.fit_addon.proposeDimensions();
      if (room && room.cols > 1 && room.rows > 1)
        box.$emit("fits", {columns: room.cols, lines: room.rows});
    };
    new ResizeObserver(tell).observe(box.$el);
    box.terminal.attachCustomKeyEventHandler((event) => {
      if (event.type !== "keydown" || !event.ctrlKey || event.altKey) return true;
      const key = event.key.toLowerCase();
      if (key === "c" && (event.shiftKey || box.terminal.hasSelection())) {
        playgroundCopy(box.terminal.getSelection());
        box.terminal.clearSelection();
        event.preventDefault();
        return false;
      }
      if (key === "v") return false;  // the browser pastes
      if (key === "x" && event.shiftKey) {
        box.terminal.blur();
        document.getElementById("c%(leave)d")?.focus();
        event.preventDefault();
        return false;
      }
      return true;
    });
    window.playgroundCopy ??= (text) => {
      if (!text) return;
      if (navigator.clipboard) { navigator.clipboard.writeText(text); return; }
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    };
    box.terminal.textarea?.setAttribute("aria-label", %(title)s);
    tell();
    %(focus)s
  };
  begin(100);
})()
"""

_COPY = "() => playgroundCopy(getElement(%d).terminal.getSelection())"
_PASTE = """async () => {
  if (navigator.clipboard) getElement(%d).terminal.paste(await navigator.clipboard.readText());
}"""

# NiceGUI takes the element away and leaves what xterm.js has of it, 0.45 MB each time; a hook of
# Vue's (https://vuejs.org/guide/extras/render-function.html, "vnode hooks") lets that go.
_DISPOSE = "vnode => vnode.component?.proxy?.terminal?.dispose()"


class TerminalBox:
    """One look at a terminal, in the current slot: of the `looker`; `show` begins it.

    ``left`` is called with the terminal when who looks at it wants no more of it.

    """

    def __init__(
        self, view: LabView, title: str, left: Callable[[Terminal], object] = lambda _: None
    ) -> None:
        self._view, self._title, self._left = view, title, left
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self.looker = Looker(self._wake, (80, 24) if view.may_change else None)
        self._terminal: Terminal | None = None
        self._shown: Size | None = None
        self._typed = bytearray()
        self._typing = asyncio.Event()
        self._fitting: asyncio.TimerHandle | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._closed = False
        with ui.column().classes("w-full gap-1") as self.column:
            self._xterm = ui.xterm(dict(_OPTIONS)).classes("w-full h-80 overflow-hidden")
            self._xterm.style("background:#10151a;padding:4px;border-radius:4px")
            self._xterm.on_data(self._on_data)
            self._xterm.on("fits", self._on_fits)
            self._xterm.on("vnodeBeforeUnmount", js_handler=_DISPOSE)
            with ui.row().classes("w-full items-center gap-1"):
                self._said = ui.label().classes("text-xs grow").props("role=status")
                self._buttons()

    def _buttons(self) -> None:
        if self._view.may_change:
            for words, keys in (
                ("Esc", "\x1b"),
                ("Tab", "\t"),
                ("Ctrl+C", "\x03"),
                ("↑", "\x1b[A"),
            ):
                button = ui.button(words, on_click=lambda _, k=keys: self._type(k))
                button.props("dense flat no-caps size=sm")
        copy = ui.button("Copy").props('dense flat no-caps size=sm title="Ctrl+Shift+C"')
        copy.on("click", js_handler=_COPY % self._xterm.id)
        if self._view.may_change:
            paste = ui.button("Paste").props('dense flat no-caps size=sm title="Ctrl+V"')
            paste.on("click", js_handler=_PASTE % self._xterm.id)
        end = ui.button("End" if self._view.may_change else "Leave", on_click=self._end)
        end.props("dense flat no-caps size=sm")
        self._last = copy

    async def _end(self) -> None:
        terminal = self._terminal
        await self._view.ask(self.close)
        self.column.delete()
        if terminal is not None:
            self._left(terminal)

    def show(self, terminal: Terminal) -> None:
        """Show a terminal at which the `looker` looks, until this is closed or it ends."""
        self._terminal = terminal
        self._view.on_close(self.close)
        if self._closed:  # while it was opened
            return
        self._say()
        title = f"{self._title}; Ctrl+Shift+X leaves it"
        ui.run_javascript(
            _BEGIN
            % {
                "id": self._xterm.id,
                "leave": self._last.id,
                "title": _quoted(title),
                "focus": "box.terminal.focus();" if self._view.may_change else "",
            }
        )
        self._tasks = [
            background_tasks.create(self._show(), name="terminal output"),
            background_tasks.create(self._send(), name="terminal input"),
        ]

    def close(self) -> None:
        """Look no more; may be called from any thread, and be repeated."""
        self._closed = True
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._cancel)
        terminal, self._terminal = self._terminal, None
        if terminal is not None:
            self._view.terminals.leave(self._view.name, terminal, self.looker)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._fitting is not None:
            self._fitting.cancel()

    # -- output --------------------------------------------------------------

    def _wake(self) -> None:
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._news.set)

    async def _show(self) -> None:
        terminal = self._terminal
        while terminal is not None and not self._closed:
            await self._news.wait()
            self._news.clear()
            if terminal.size != self._shown:
                self._shown = terminal.size
                self._xterm.run_terminal_method("resize", *terminal.size)
            while True:
                ended = terminal.ended
                data, lost = terminal.take(self.looker, _PIECE_BYTES)
                if not data:
                    break
                await self._write(data, lost)
            self._say()
            if ended:
                await self._write(f"\r\n[{ended}]\r\n".encode(), lost=False)
                return

    async def _write(self, data: bytes, lost: bool) -> None:
        text = self._decoder.decode(data)
        if lost:
            text = "\x1bc[what came before is lost: this browser was too slow]\r\n" + text
        # Its answer says that the browser has taken it; one that is away is waited for.
        with suppress(TimeoutError):
            await self._xterm.client.run_javascript(
                f"return runMethod({self._xterm.id}, 'write', [{_quoted(text)}])",
                timeout=_TAKEN_WITHIN_S,
            )

    def _say(self) -> None:
        terminal = self._terminal
        if terminal is None:
            return
        words = terminal.ended or self._title
        if terminal.lookers > 1:
            words += f"; {terminal.lookers} look at it"
        self._said.set_text(words)

    # -- input ---------------------------------------------------------------

    def _on_data(self, event: XtermDataEventArguments) -> None:
        terminal = self._terminal
        if terminal is None or not isinstance(event.data, str):
            return
        # Each browser's terminal answers what a program asks of one: that of the first counts.
        if is_report(event.data) and not terminal.is_first(self.looker):
            return
        self._type(event.data)

    def _type(self, text: str) -> None:
        # Refused here with a sentence; `LabView.act` is what keeps others from typing.
        self._view.check_may_change()
        data = text.encode("utf-8", "replace")
        if len(self._typed) + len(data) > _MOST_TYPED:
            raise PlaygroundError(
                "the host has not read what was typed before: wait, or press Ctrl+C"
            )
        self._typed += data
        self._typing.set()

    async def _send(self) -> None:
        """Send what was typed, in its order: one piece at a time."""
        while not self._closed:
            await self._typing.wait()
            self._typing.clear()
            terminal = self._terminal
            while self._typed and terminal is not None:
                data, self._typed = bytes(self._typed), bytearray()
                try:
                    await self._view.act(terminal.write, data)
                except PlaygroundError as error:
                    with self.column:
                        ui.notify(str(error), type="negative", multi_line=True)

    def _on_fits(self, event: GenericEventArguments) -> None:
        if self.looker.size is None or not isinstance(event.args, dict):
            return
        columns, lines = event.args.get("columns"), event.args.get("lines")
        if not (isinstance(columns, int) and isinstance(lines, int)):
            return
        self.looker.size = (columns, lines)
        if self._fitting is not None:
            self._fitting.cancel()
        self._fitting = self._loop.call_later(_SETTLED_S, self._fit)

    def _fit(self) -> None:
        if self._terminal is not None:
            background_tasks.create(self._view.act(self._terminal.fit), name="terminal size")


def _quoted(text: str) -> str:
    """Return text as a string of JavaScript."""
    # Half characters are in no JSON that a browser takes.
    return json.dumps(text.encode("utf-8", "replace").decode())
