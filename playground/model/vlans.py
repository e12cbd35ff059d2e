"""VLANs as data: what a port of a switch carries, and the numbers that there are.

A frame on a trunk carries the number of its VLAN in a tag of four octets (IEEE
802.1Q); on an access port it carries none, and belongs to the one VLAN of the port.

"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from playground.errors import TopologyError
from playground.model.records import dataclass

# How VLANs are told apart on kernels that lack something, for those who ask what works.
WITHOUT_8021Q = "small programs (eBPF) put tags of VLANs on frames and take them off"
WITHOUT_FILTERING = "a switch with VLANs is made of a bridge for each"

# IEEE 802.1Q-2018 table 9-2: 0 says that there is only a priority, 4095 is reserved.
NUMBERS = range(1, 4095)


class InnerVlan(int):
    """A customer's VLAN within a service VLAN of a provider (IEEE 802.1ad): both tags in one.

    >>> str(InnerVlan.of(100, 10))
    '100.10'

    """

    @classmethod
    def of(cls, service: int, vlan: int) -> InnerVlan:
        """Return the VLAN ``vlan`` of a customer in the service VLAN ``service``."""
        return cls(service << 12 | vlan)

    def __str__(self) -> str:
        return f"{self >> 12}.{self & 0xFFF}"

    __repr__ = __str__

    def __format__(self, form: str) -> str:
        return format(str(self), form)


@dataclass(frozen=True)
class PortPlan:
    """A port of a switch with VLANs: untagged in ``vlan``, tagged in those of ``trunk``.

    The tags of a provider's switch, ``qinq``, are of another kind (IEEE 802.1ad), and within its
    VLANs are those of customers, whose tags come in by a port of a ``service`` and stay.

    """

    port: str
    vlan: int | None
    trunk: tuple[int, ...] = ()
    qinq: bool = False
    service: bool = False

    def request(self) -> dict[str, Any]:
        """Return it as the agent takes it."""
        said = {"port": self.port, "vlan": self.vlan, "trunk": list(self.trunk)}
        return said | ({"qinq": True} if self.qinq else {})

    def as_shell(self) -> Iterator[str]:
        """Yield the commands that do the same (bridge(8), "bridge vlan").

        >>> list(PortPlan("h1-eth0", 10).as_shell())
        ['bridge vlan add dev h1-eth0 vid 10 pvid untagged']

        """
        if self.vlan is not None:
            yield f"bridge vlan add dev {self.port} vid {self.vlan} pvid untagged"
        for number in self.trunk:
            yield f"bridge vlan add dev {self.port} vid {number}"


def check_number(here: str, number: object) -> int:
    """Return the number of a VLAN; raises `TopologyError` for what is none."""
    if isinstance(number, bool) or not isinstance(number, int) or number not in NUMBERS:
        raise TopologyError(
            f"{here}: {number!r} is no number of a VLAN; write one from {NUMBERS[0]} to "
            f"{NUMBERS[-1]} (IEEE 802.1Q)"
        )
    return number


def check_numbers(here: str, numbers: object) -> tuple[int, ...]:
    """Return the numbers of VLANs, sorted; raises `TopologyError` for none, or one twice."""
    if isinstance(numbers, (str, bytes)) or not isinstance(numbers, Iterable):
        raise TopologyError(f"{here}: write the numbers of VLANs, as in (10, 20), not {numbers!r}")
    found = [check_number(here, number) for number in numbers]
    if not found:
        raise TopologyError(f"{here}: no VLAN is named; write their numbers, as in (10, 20)")
    for number in found:
        if found.count(number) > 1:
            raise TopologyError(f"{here}: VLAN {number} is named twice; name it once")
    return tuple(sorted(found))


def listed(numbers: Iterable[int]) -> str:
    """Return numbers in words, for a sentence.

    >>> listed((10, 20))
    '10 and 20'

    """
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}" if most else last


@dataclass(frozen=True)
class Carried:
    """The VLANs that a link to a switch carries.

    Those of ``vlan`` have no tag, those of ``trunk`` have one, with ``all`` in all that the
    switches at both ends have.  Where there are both, ``vlan`` is the trunk's native one.
    All others carry nothing of this kind.  A customer's link is in the VLAN ``service`` of the
    provider's switch at its other end, which carries all of these within it.

    """

    vlan: int | None = None
    trunk: tuple[int, ...] = ()
    all: bool = False
    service: int | None = None

    def __bool__(self) -> bool:
        """Tell whether it carries any VLAN."""
        return self.vlan is not None or bool(self.trunk) or self.all or self.service is not None

    def __repr__(self) -> str:
        service = "" if self.service is None else f", service={self.service}"
        if not self.tags:
            own = "" if self.vlan is None else f", vlan={self.vlan}"
            return f"{own}{service}".removeprefix(", ")
        native = "" if self.vlan is None else f", native={self.vlan}"
        return f"trunk={True if self.all else self.trunk}{native}{service}"

    def within(self, number: int | None) -> int | None:
        """Return a VLAN as the switch at the other end has it: of a provider's, within a service.

        >>> Carried(trunk=(10,), service=100).within(10)
        100.10

        """
        if self.service is None:
            return number
        if number is None or number == self.vlan:
            return self.service
        return InnerVlan.of(self.service, number)

    @property
    def tags(self) -> bool:
        """Whether it is a trunk."""
        return self.all or bool(self.trunk)


NO_VLANS = Carried()
