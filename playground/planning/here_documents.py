"""Texts of files within a shell script: here-documents, whose text no line of it can end.  Pure."""

# https://pubs.opengroup.org/onlinepubs/9699919799/utilities/V3_chap02.html, 2.7.4 Here-Document

from __future__ import annotations


def here_document(command: str, text: str) -> str:
    """Return the command that reads a text, and the text below it up to a word that is not in it.

    The word is END; where that is a line of the text already, which would end it there and have
    the shell run the rest, another one.

    >>> print(here_document("cat > /etc/motd", "Welcome\\n"))
    cat > /etc/motd <<'END'
    Welcome
    END

    """
    if text and not text.endswith("\n"):
        text += "\n"
    # A shell may leave out NUL, and some take CR for a part of the line's end.
    lines = {line.replace("\0", "").strip() for line in text.splitlines()}
    word, number = "END", 1
    while word in lines:
        number += 1
        word = f"END{number}"
    return f"{command} <<'{word}'\n{text}{word}"
