"""How long the words of a command, its variables and its paths may be: execve(2)."""

from __future__ import annotations

from collections.abc import Iterable

# MAX_ARG_STRLEN of binfmts.h, of which one byte is for the end.
MOST_WORD_BYTES = (1 << 17) - 1

# Arguments and environment together get a quarter of the stack, which has 8 MiB: half of
# that for each.
MOST_WORDS_BYTES = 1 << 20

# PATH_MAX of limits.h, of which one byte is for the end.
MOST_PATH_BYTES = 4095


def size_bytes(text: str) -> int:
    """Return the size of a text as the kernel gets it."""
    return len(text.encode("utf-8", "surrogatepass"))


def refusal(words: Iterable[str]) -> str:
    """Return why the kernel takes no such words, for an error; "" where it does.

    >>> refusal(["/bin/true", "x" * 200_000])
    'has a word of 200,000 bytes, and the kernel takes 131,071'

    """
    sizes = [size_bytes(word) for word in words]
    if max(sizes, default=0) > MOST_WORD_BYTES:
        return f"has a word of {max(sizes):,} bytes, and the kernel takes {MOST_WORD_BYTES:,}"
    if sum(sizes) > MOST_WORDS_BYTES:
        return f"has {sum(sizes):,} bytes in all, and {MOST_WORDS_BYTES:,} are the most"
    return ""
