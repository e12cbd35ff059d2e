"""Bases of the parts of a network: all that rules, NAT and routes know of nodes and links.

`model.topology` builds hosts, routers, switches and links on them.  A declaration
knows nothing of what runs: a lab that runs it is a `Listener`, which is told of each change.

"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Protocol

from playground.errors import BadArgument, NoSuchNode, TopologyError
from playground.model.addresses import Address, InterfaceAddress
from playground.model.arguments import shown
from playground.model.ipv6.slaac import BY_HAND, Automatic
from playground.model.kernel.bonds import BondSettings
from playground.model.notation import AUTO, check_name, one_or_list
from playground.model.records import dataclass
from playground.model.uncopyable import Single

# Declarations are numbered as they are made, so that "in the order declared"
# means the same from whichever node a lab is collected.
_serial = itertools.count()


def next_serial() -> int:
    """Return a number above those of all declarations that were made before."""
    return next(_serial)


class Listener(Protocol):
    """A running lab, as its declarations know it.

    Each call returns when the change is done, or raises with nothing changed.

    """

    def changing(self) -> AbstractContextManager[None]:
        """Keep what is declared in this block from all others' eyes until it ends."""

    def catch_up(self) -> None:
        """Do what nodes were told about NAT, routes or VLANs."""

    def change_rules(self, name: str) -> None:
        """Replace the ruleset of a node by what it is told now."""


@contextmanager
def taken_or_undone(listener: Listener | None, undo: Callable[[], None]) -> Iterator[None]:
    """Declare a change in this block, and undo it where it is refused.

    Whoever looks at a running lab sees it when it was taken, and else never.

    """
    with nullcontext() if listener is None else listener.changing():
        try:
            yield
            if listener is not None:
                listener.catch_up()
        except BaseException:
            undo()
            raise


class Part(Single):
    """A node or a link: an attribute that it has not cannot be set.

    ``fixed`` are those that keep the value of the declaration.  Names that begin with an
    underscore are free.

    """

    fixed: ClassVar[frozenset[str]] = frozenset()

    if not TYPE_CHECKING:  # which would take it for a leave to set any name

        def __setattr__(self, name: str, value: object) -> None:
            kind = type(self)
            known = name.startswith("_") or name in settable(kind)
            if known and not (name in kind.fixed and name in vars(self)):
                object.__setattr__(self, name, value)
            else:
                raise BadArgument(f"{self!r} {_refusal(kind, name)}")


@functools.cache
def settable(kind: type) -> frozenset[str]:
    """Return the attributes that a kind of node or link has and that can be set."""
    names: set[str] = set()
    for base in reversed(kind.__mro__):
        names |= set(inspect.get_annotations(base))
        for name, value in vars(base).items():
            if isinstance(value, property):
                (names.discard if value.fset is None else names.add)(name)
    return frozenset(names)


def _refusal(kind: Any, name: str) -> str:
    """Tell why an attribute cannot be set, and what somebody may have meant."""
    import difflib  # only who erred waits for it

    given = [word for word in inspect.signature(kind).parameters if word != "container"]
    own = [word for word in settable(kind) - kind.fixed if not word.startswith("_")]
    if name in kind.fixed or name in given:
        [*near] = difflib.get_close_matches(name, given, n=1, cutoff=0.5)
        how = f": give {kind.__name__} its {near[0]}= where it is declared" if near else ""
        return f"keeps the {name} that it was declared with{how}"
    [*near] = difflib.get_close_matches(name, sorted({*own, *given}), n=1)
    hint = f": did you mean {near[0]!r}?" if near else "."
    return f"has no {name!r} to set{hint} A name of your own begins with an underscore"


class NodeBase(Part):
    """The common part of hosts, routers and switches: a name and links.

    ``name`` is the full name, ``short`` its first label, ``links`` the links
    in the order they were declared.

    """

    short: str
    links: list[Any]  # of `model.topology.Link`, which is built on this
    calls: frozenset[str]
    serial: int
    fixed = frozenset({"short", "calls", "serial"})

    def __init__(self, name: str) -> None:
        self._name = check_name(type(self).__name__, name)
        self.short = self.name.partition(".")[0]
        # It is found by these: names are compared without case (RFC 4343).
        self.calls = frozenset((self.name.lower(), self.short.lower()))
        self.links = []
        self.serial = next_serial()

    @property
    def name(self) -> str:
        """The full name, for as long as the node is there; `TopologyError` if it is set."""
        return self._name

    @name.setter
    def name(self, name: object) -> NoReturn:
        kind = type(self).__name__
        raise TopologyError(
            f"{kind.lower()} {self._name} keeps the name it was declared with, by which others "
            f"know it: declare another, {kind}({shown(name)}); what a host calls itself is its "
            "hostname"
        )

    @property
    def listener(self) -> Listener | None:
        """The lab that runs it; None for one that is only declared."""
        return None


class MachineBase(NodeBase):
    """A node that runs programs: a host or a router."""

    @property
    def attachments(self) -> list[Any]:
        """Its connections to networks, in order: its links, and of a trunk each VLAN."""
        return [part for link in self.links for part in link.attachments]

    def _check_own(self, link: object, what: str) -> None:
        """Refuse for a method ``what`` all but a link, or a VLAN of a trunk, of this node's own."""
        if not isinstance(link, LinkBase):
            raise TopologyError(
                f"router {self.name}: {what}() takes a Link, not {_words(link)}; keep the link: "
                f"uplink = Link({self.name}, ...)"
            )
        if link in self.links and not link.attachments:
            raise TopologyError(
                f"router {self.name} cannot {what} through {link!r}, which is a link of a bond: "
                f"say it of the bond"
            )
        if link in self.links and link not in self.attachments:
            raise TopologyError(
                f"router {self.name} cannot {what} through the whole of {link!r}: say which VLAN, "
                f"as in link[{link.trunk[0]}]"
            )
        if link not in self.attachments:
            raise TopologyError(
                f"router {self.name} cannot {what} through {link!r}: that is not one of its "
                f"links; give it a link that was made with {self.name}"
            )


class SwitchBase(NodeBase):
    """A node that joins links to one network."""


@dataclass(frozen=True, eq=False)
class End:
    """One end of a link, as declared.

    ``name`` and ``mac`` are None where the lab shall choose.  ``addresses``
    holds addresses with their prefix (`IPv4Interface`, `IPv6Interface`) or,
    where only the segment's subnet says how long that is, without.  ``automatic`` is what it
    gets from others, ``dhcp`` whether its IPv4 address; with ``unaddressed`` it has none
    and shall get none.  ``vlan`` is set where frames are tagged with it: an interface of its
    own upon that of the trunk.

    """

    node: Any  # a host, router or switch: the classes of `model.topology` stand on these
    name: str | None = None
    addresses: tuple[Address | InterfaceAddress, ...] = ()
    mac: str | None = None
    automatic: Automatic = BY_HAND
    vlan: int | None = None
    unaddressed: bool = False

    @property
    def dhcp(self) -> bool:
        """Whether it asks a server for its IPv4 address."""
        return self.automatic.dhcp

    @property
    def said(self) -> str:
        """Its addresses as somebody would write them: 'auto' where the lab chooses."""
        if words := self.automatic.words:
            said = [*words, *map(str, self.addresses)]
            return repr(said[0] if len(said) == 1 else said)
        return one_or_list(self.addresses) if self.addresses or self.unaddressed else repr(AUTO)

    def __repr__(self) -> str:
        parts = [self.node.name]
        parts += [f"vlan={self.vlan}"] if self.vlan else []
        parts += [repr(self.name)] if self.name else []
        parts += [repr([str(address) for address in self.addresses])] if self.addresses else []
        return f"End({', '.join(parts)})"


class LinkBase(Part):
    """A cable between two nodes, or one VLAN of it."""

    fixed = frozenset({"mtu_bytes", "mtus", "offload", "serial"})

    ends: tuple[End, ...]
    members: Sequence[LinkBase] = ()
    _bond: LinkBase | None = None
    _bond_settings: BondSettings | None = None

    @property
    def bond(self) -> LinkBase | None:
        """The `Bond` that it is a link of; None for one of its own."""
        return self._bond

    @property
    def bond_settings(self) -> BondSettings | None:
        """What was said of a `Bond`; None for a link that is none."""
        return self._bond_settings

    def bonds_at(self, node: NodeBase) -> bool:
        """Tell whether a node has an interface for the links of a `Bond`."""
        return False

    @property
    def passes_lacp(self) -> bool:
        """Whether it is a `Bond` whose LACP switches between its two sides have to pass on."""
        return False

    def is_port(self, switch: SwitchBase) -> bool:
        """Tell whether it is plugged in at a switch by itself, and not as a link of a `Bond`."""
        return self._bond is None or not self._bond.bonds_at(switch)

    @property
    def trunk(self) -> tuple[int, ...]:
        """The VLANs that it carries with tags, () where it is no trunk."""
        raise NotImplementedError

    @property
    def attachments(self) -> Sequence[LinkBase]:
        """Its parts, as the host or router at its end has them: itself, or each VLAN of a trunk."""
        raise NotImplementedError

    def end(self, node: NodeBase) -> End:
        """Return this link's end at `node`; raises `NoSuchNode` if it has none."""
        for end in self.ends:
            if end.node is node:
                return end
        raise NoSuchNode(f"{self!r} has no end at {shown(getattr(node, 'name', node))}")

    def peer(self, node: NodeBase) -> End:
        """Return the end that is not at `node`; raises `NoSuchNode` if none is."""
        return self.ends[1] if self.end(node) is self.ends[0] else self.ends[0]

    @property
    def names(self) -> tuple[str, str]:
        """The names of the nodes at its ends."""
        return self.ends[0].node.name, self.ends[1].node.name


def _words(value: object) -> str:
    kind = type(value).__name__
    name = getattr(value, "name", None)
    return (
        f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
        if name is None
        else f"the {kind.lower()} {name}"
    )
