"""Objects of which there is one only: a lab, its nodes and links, what runs on them.

A copy would hang on what it does not own: a machine's links know the machine, and a
running lab stops what it has made, once.

"""

from __future__ import annotations

from typing import NoReturn, SupportsIndex

from playground.errors import BadArgument


class Single:
    """An object that is neither copied nor pickled: both raise `BadArgument`."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        # Both copy and pickle call this (object.__reduce_ex__).
        raise BadArgument(
            f"{self!r} cannot be copied or pickled, for there is one of it: declare another, "
            "or hand its name on, by which lab[name] finds it, in another process too "
            "(Lab.attach, for a lab with keep=True)"
        )
