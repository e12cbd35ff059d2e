"""`exercise`: what differs from student to student, and is the same whenever it is asked for.

Each draw is made of the seed, the kind of draw and its label by SHA-256 (FIPS 180-4), and of
nothing that a version of Python decides.  So a draw that is added later leaves the others alone.

"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, TypeVar

from playground.errors import BadArgument
from playground.model.arguments import is_whole, shown, tells_wrong_call, tells_wrong_calls

if TYPE_CHECKING:
    from playground.lab.lab import Lab
    from playground.puzzles import Puzzle

T = TypeVar("T")

# Draws of what is to be free, until there seems to be no more.
_MOST_TURNS = 10_000

# Names of hosts that are easily told apart, and said.
NAMES = (
    *("amber", "basil", "birch", "cedar", "clover", "coral", "dahlia", "ember", "fennel", "flint"),
    *("ginger", "hazel", "indigo", "ivory", "jasper", "juniper", "lilac", "linden", "lotus"),
    *("maple", "marble", "mint", "nutmeg", "olive", "opal", "pepper", "poppy", "quartz", "robin"),
    *("rowan", "saffron", "sage", "sienna", "tansy", "thyme", "topaz", "violet", "walnut"),
    *("willow", "yarrow"),
)


@tells_wrong_call
def exercise(*, seed: str | int) -> Exercise:
    """Return the exercise of one student: ``seed`` is the student's name, or a number.

    >>> task = exercise(seed="anna")
    >>> task.number("port", 8000, 8999) == exercise(seed="anna").number("port", 8000, 8999)
    True

    """
    if not isinstance(seed, (str, int)) or isinstance(seed, bool) or seed == "":
        raise BadArgument(f"seed={shown(seed)} is no seed; write the student's name")
    return Exercise(str(seed))


@tells_wrong_calls
class Exercise:
    """Draws for one student, each with a label; made by `exercise`.

    The same label is the same draw.  Subnets, addresses and names of one exercise are all
    different; those depend on what was drawn before them, so draw them in one place.

    """

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self._drawn: dict[tuple[str, str], object] = {}

    def __repr__(self) -> str:
        return f"<Exercise of {self.seed}>"

    def number(self, label: str, first: int, last: int) -> int:
        """Return a whole number from ``first`` to ``last``, both included.

        >>> 8000 <= exercise(seed="anna").number("port", 8000, 8999) <= 8999
        True

        """
        if not is_whole(first, -(2**63), 2**63) or not is_whole(last, first, 2**63):
            raise BadArgument(f"number({label!r}): {shown(first)} to {shown(last)} is no range")
        return first + self._below("number", label, last - first + 1)

    def choice(self, label: str, options: Sequence[T]) -> T:
        """Return one of the options.

        >>> exercise(seed="anna").choice("fault", ["cable", "route"]) in ("cable", "route")
        True

        """
        if isinstance(options, str) or not len(options):
            raise BadArgument(f"choice({label!r}): {shown(options)} is no list of options")
        return options[self._below("choice", label, len(options))]

    def sample(self, label: str, options: Sequence[T], count: int) -> list[T]:
        """Return so many different options, in an order that is drawn too."""
        if isinstance(options, str) or not is_whole(count, 0, len(options)):
            raise BadArgument(f"sample({label!r}): there are no {shown(count)} of them")
        left = list(options)
        return [
            left.pop(self._below("sample", f"{label}\0{turn}", len(left))) for turn in range(count)
        ]

    def name(self, label: str, among: Sequence[str] = NAMES) -> str:
        """Return a name that no other label has; by default a plant, a stone or a colour."""
        taken = self._taken("name", label)
        if taken.issuperset(among):
            raise BadArgument(f"name({label!r}): all {len(among)} names are taken")

        def draw(turn: int) -> str | None:
            found = among[self._below("name", f"{label}\0{turn}", len(among))]
            return None if found in taken else found

        return self._keep("name", label, draw)

    def subnet(self, label: str, *, within: str = "10.0.0.0/8", prefix: int = 24) -> str:
        """Return a subnet with this prefix length that no other label's overlaps.

        >>> exercise(seed="anna").subnet("office", within="172.16.0.0/12", prefix=20)
        '172...0/20'

        """
        try:
            whole = IPv4Network(within)
        except ValueError as error:
            raise BadArgument(f"subnet({label!r}): within={within!r}: {error}") from error
        if not is_whole(prefix, whole.prefixlen, 30):
            raise BadArgument(
                f"subnet({label!r}): prefix={shown(prefix)} is no length from {whole.prefixlen} to "
                "30"
            )
        taken = [IPv4Network(str(one)) for one in self._taken("subnet", label)]
        count, step = 1 << (prefix - whole.prefixlen), 1 << (32 - prefix)

        def draw(turn: int) -> str | None:
            start = int(whole.network_address) + step * self._below(
                "subnet", f"{label}\0{within}\0{prefix}\0{turn}", count
            )
            found = IPv4Network((start, prefix))
            return None if any(found.overlaps(one) for one in taken) else str(found)

        return self._keep("subnet", label, draw)

    def address(self, label: str, subnet: str) -> str:
        """Return an address of a subnet that no other label has; never its first, which is .1.

        >>> exercise(seed="anna").address("printer", "192.168.1.0/24")
        '192.168.1...'

        """
        try:
            network = IPv4Network(subnet)
        except ValueError as error:
            raise BadArgument(f"address({label!r}): {error}") from error
        if network.num_addresses < 4:
            raise BadArgument(f"address({label!r}): {subnet} has no room for another host")
        taken = self._taken("address", label)

        def draw(turn: int) -> str | None:
            number = 2 + self._below(
                "address", f"{label}\0{subnet}\0{turn}", network.num_addresses - 3
            )
            found = str(IPv4Address(int(network.network_address) + number))
            return None if found in taken else found

        return self._keep("address", label, draw)

    def puzzle(self, lab: Lab) -> Puzzle:
        """Break one thing in a running lab of `examples.small_office`: see `puzzles.pose`."""
        from playground import puzzles

        return puzzles.pose(lab, self.number("puzzle", 1, puzzles.count()))

    # ... drawing

    def _below(self, kind: str, label: str, count: int) -> int:
        """Return a number from 0 to ``count`` - 1."""
        text = "\0".join([self.seed, kind, label]).encode(errors="surrogateescape")
        # 256 bits are so many that the remainder favours none that anybody could see.
        return int.from_bytes(hashlib.sha256(text).digest(), "big") % count

    def _taken(self, kind: str, label: str) -> set[object]:
        return {
            value
            for (other, of), value in self._drawn.items()
            if other == kind and (other, of) != (kind, label)
        }

    def _keep(self, kind: str, label: str, draw: Callable[[int], str | None]) -> str:
        for turn in range(_MOST_TURNS):
            if (found := draw(turn)) is not None:
                self._drawn[kind, label] = found
                return found
        raise BadArgument(f"{kind}({label!r}): there is no other left that is free")
