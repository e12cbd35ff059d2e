"""Safe text: no character of it has an effect on where it is shown.

A host chooses what its processes, files and messages are called, and a terminal obeys
what it is sent: it moves its cursor, sets colours and titles, types answers (ECMA-48),
and writes from right to left (Unicode Standard Annex 9).  So all that we show of a
host's making goes through `visible`; what is returned stays as it came.

"""

from __future__ import annotations

import re

# C0 but tab and the ends of lines, DEL and C1 (ECMA-48); marks, embeddings, overrides and
# isolates of writing directions; what has no width; other ends of lines; half characters.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]|\r(?!\n)"
)


def visible(text: str) -> str:
    r"""Return text with such characters as Python writes them in a string.

    >>> print(visible("\x1b[2Jgone"))
    \x1b[2Jgone

    """
    return _HIDDEN.sub(_written, text)


def visible_line(text: str) -> str:
    r"""Return text on one line, and as `visible` has it.

    >>> print(visible_line("Get:1\n  libc6\x1b[0m"))
    Get:1 libc6\x1b[0m

    """
    return visible(" ".join(text.split()))


def _written(match: re.Match[str]) -> str:
    character = match[0]
    return "\\r" if character == "\r" else repr(character)[1:-1]
