"""Faults that may be meant: refused, or taken with a warning where somebody asks for that.

Masks that differ, an address that two have, a loop without a spanning tree are what people
are to find, so a lab can be told to take them; what the kernel could not do is no doubt.

"""

from __future__ import annotations

from playground.errors import TopologyError


class Doubts:
    """A warning about a plan that works badly, if at all.

    With ``strict`` the first doubt is raised as a `TopologyError`; otherwise they
    gather in ``said``, each once, in the order in which they were found.

    >>> doubts = Doubts(strict=False)
    >>> doubts.say("h1 and h2 both have the address 10.1.1.1; choose another for one of them")
    >>> len(doubts.said)
    1

    """

    def __init__(self, strict: bool = True) -> None:
        self.strict = strict
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        """Refuse what this sentence tells of, or note it."""
        if self.strict:
            raise TopologyError(f"{sentence} (Lab(strict=False) takes it as it is, with a warning)")
        if sentence not in self.said:
            self.said.append(sentence)
