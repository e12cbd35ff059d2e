"""A living picture in a notebook: a widget of anywidget (https://anywidget.dev).

The browser has the picture once and then what changes.  A thread looks at the lab while somebody
sees it: views of the widget say that they are there every five seconds.  A kernel that works on a
cell may hear nothing meanwhile; the picture goes on then, for that is when something happens.

"""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from playground.display.live_picture import PicturePace
from playground.errors import PlaygroundError
from playground.operations.pictures.live import LivePicture, PictureChange, PicturedLab

try:
    import anywidget
    import traitlets
except ImportError:
    raise PlaygroundError(
        "a living picture needs the package anywidget: pip install 'network-playground[live]'; "
        "lab.picture() does without"
    ) from None

# A view that has not said for so long that it is there is gone: three times its interval.
SILENCE_S = 15.0

# While a cell runs none can be heard; a notebook that a program runs never has one.
BUSY_S = 300.0

_SCRIPT = Path(__file__).with_name("live_picture.js")


def make_widget(lab: PicturedLab, theme: str) -> LivePictureWidget:
    """Return the widget of a lab; raises `PlaygroundError` where it cannot be drawn."""
    picture = LivePicture(lab, theme)
    return LivePictureWidget(picture, picture.change())


class LivePictureWidget(anywidget.AnyWidget):
    """The living picture of a lab, which a notebook shows; `lab.live` makes it.

    It looks at the lab while somebody sees it, and ends when the lab does, or with `close`.  Where
    no browser shows it, as when a notebook is run by a program, it is a still picture.

    """

    _esm = _SCRIPT
    svg = traitlets.Unicode().tag(sync=True)
    shown = traitlets.Dict().tag(sync=True)

    def __init__(self, picture: LivePicture, first: PictureChange) -> None:
        self._picture = picture
        cells = Cells()
        weakref.finalize(self, cells.close)
        self._looking = Looking(weakref.WeakMethod(self._look_once), lambda: cells.busy)
        self._still = first
        super().__init__(svg=first.svg, shown=first.attributes)
        self.on_msg(self._take)

    @property
    def looking(self) -> bool:
        """Whether it looks at the lab now."""
        return self._looking.going

    def close(self) -> None:
        """Look no more, and take the picture out of the notebook."""
        self._looking.end()
        super().close()

    def _take(self, widget: Any, content: Any, buffers: Any) -> None:
        """Take what a view says: that it is new, here, or gone.  Strangers' words are no error."""
        word = content.get("word") if isinstance(content, Mapping) else None
        if word == "new":
            # It has what was seen when the widget was made.
            self._tell(self._picture.whole())
        if word in ("new", "here"):
            self._looking.heard()
        elif word == "gone":
            self._looking.end()

    def _look_once(self) -> bool:
        """Look once, and send what changed; return whether to go on."""
        # Asked before: the last look, after the lab has stopped, says so.
        running = self._picture.running
        change = self._picture.change()
        if change.svg is not None or change.attributes:
            self._tell(change)
        return running

    def _tell(self, change: PictureChange) -> None:
        self.send({"svg": change.svg or "", "attributes": change.attributes})

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        found = super()._repr_mimebundle_(**kwargs)
        data, metadata = found if isinstance(found, tuple) else (found or {}, {})
        # A view may have no chance to speak before the cells that were run together with this one.
        self._looking.heard()
        # For whoever has no widgets: a file that was run by a program, a page made of it.
        still = {"image/svg+xml": self._still.svg, "text/html": self._still.svg}
        return {**still, **data}, metadata


class Looking:
    """A thread that looks again and again while somebody is there.

    ``look`` is called, and says whether to go on; it is held weakly, so that a widget that nobody
    has any more ends it.  The pause between looks grows with what one takes.  While ``busy``
    nobody can be heard, and it goes on for a while.

    """

    def __init__(
        self,
        look: Callable[[], Callable[[], bool] | None],
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._look = look
        self._busy = busy
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._heard_s = 0.0

    @property
    def going(self) -> bool:
        """Whether the thread runs."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def heard(self) -> None:
        """Note that somebody is there, and look for them."""
        with self._lock:
            self._heard_s = time.monotonic()
            if self.going and not self._ended.is_set():
                return
            self._ended = threading.Event()
            self._thread = threading.Thread(
                target=self._go_on, args=(self._ended,), name="playground live picture", daemon=True
            )
            self._thread.start()

    def end(self) -> None:
        """Look no more, until somebody is heard again."""
        with self._lock:
            self._ended.set()

    def _go_on(self, ended: threading.Event) -> None:
        pace = PicturePace()
        while not ended.is_set():
            look = self._look()
            if look is None or not self._somebody_is_there():
                return
            began = time.monotonic()
            try:
                if not look():
                    return
            except PlaygroundError:  # the picture stays as it is
                return
            del look
            ended.wait(pace.pause_s(time.monotonic() - began))

    def _somebody_is_there(self) -> bool:
        silent_s = time.monotonic() - self._heard_s
        return silent_s < (BUSY_S if self._busy() else SILENCE_S)


class Cells:
    """Whether this notebook's kernel works on a cell; outside of one it never does.

    Source: https://ipython.readthedocs.io/en/stable/config/callbacks.html

    """

    def __init__(self) -> None:
        self.busy = False
        self._events: Any = None
        if (ipython := sys.modules.get("IPython")) is not None:
            shell = ipython.get_ipython()
            if shell is not None:
                self._events = shell.events
                self._events.register("pre_run_cell", self._begin)
                self._events.register("post_run_cell", self._end)
                self.busy = True  # with the cell that made this

    def close(self) -> None:
        """Hear of no cell any more."""
        events, self._events = self._events, None
        if events is not None:
            events.unregister("pre_run_cell", self._begin)
            events.unregister("post_run_cell", self._end)
        self.busy = False

    def _begin(self, info: object = None) -> None:
        self.busy = True

    def _end(self, result: object = None) -> None:
        self.busy = False
