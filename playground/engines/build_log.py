"""What a build prints: its end is kept, however much there is."""

from __future__ import annotations

import io
import re

# The most that is kept, in characters: nobody reads more, and `RUN yes` prints gigabytes.
LOG_LENGTH = 1 << 20

_LINE_LENGTH = 4096

# Colours (SGR, ECMA-48, 8.3.117), which the tools of builds print whoever reads.
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


class BuildLog:
    """The end of a build's output, and its last line while it comes.

    >>> log = BuildLog()
    >>> log.add("one\\ntw")
    >>> log.add("o\\n\\n")
    >>> log.line, log.text()
    ('two', 'one\\ntwo\\n\\n')

    """

    def __init__(self) -> None:
        self._before = ""
        self._now = io.StringIO()
        self._end = ""

    def add(self, text: str) -> None:
        """Take the next of the output; a piece may end within a line."""
        if self._now.tell() >= LOG_LENGTH:
            self._before = self._now.getvalue()
            self._now = io.StringIO()
        self._now.write(text)
        self._end = (self._end + text)[-_LINE_LENGTH:]

    @property
    def line(self) -> str:
        """The last line that is not empty, as far as it has come; its end, of a long one."""
        return _COLOUR.sub("", self._end).rstrip().rpartition("\n")[2].strip()

    def text(self) -> str:
        """Return the last `LOG_LENGTH` characters of the output, or all, without colours."""
        return _COLOUR.sub("", (self._before + self._now.getvalue())[-LOG_LENGTH:])
