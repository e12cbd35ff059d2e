"""VRFs as they are declared: tables of a router's own for some of its links, and leaks between."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from playground.errors import TopologyError
from playground.model.addresses import Network, network_from
from playground.model.arguments import is_list, is_whole, shown
from playground.model.nat import Translating
from playground.model.notation import is_reserved_ifname
from playground.model.parts import LinkBase, taken_or_undone
from playground.model.policy_routing import Steering
from playground.model.records import dataclass
from playground.model.routing.protocols import check_as_number, check_routing

K = TypeVar("K")

# Tables of VRFs are numbered from here on: those below are for whoever makes his own.
FIRST_TABLE = 1001

# IFNAMSIZ in linux/if.h is 16, with the NUL at the end.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,14}")
# What ip-vrf(8), ip-route(8) and Linux's sysctls mean something else by.
_KEPT = ("lo", "all", "default", "main", "local", "exec", "show", "list", "identify", "pids")

# Translations know connections by their addresses, which two VRFs may have both; VRRP's
# daemon has one table.
_MAIN_ALONE = ("masquerade", "snat", "forward", "one_to_one", "nat64", "vrrp")


@dataclass(frozen=True, eq=False)
class Vrf:
    """A table of a router's own, for what comes in by ``links``; see `Router.vrf`.

    ``table`` is its number, by which ip-route(8) knows it.  ``routing`` and ``as_number`` are
    those of a router that had these links alone.

    """

    name: str
    router: KeepingApart
    table: int
    links: tuple[LinkBase, ...]
    routing: str | None = "static"
    as_number: int | None = None

    def remove(self) -> None:
        """Put its links back into the router's main table; at once if the lab runs.

        Leaks from it and into it go along.  A second time does nothing.

        """
        router = self.router
        # Whatever was said of it since.
        if self.name in router.vrfs:
            vrfs = {name: one for name, one in router.vrfs.items() if name != self.name}
            leaks = [one for one in router.leaks if self.name not in (one.source, one.into)]
            router.divide(vrfs, leaks)

    def __repr__(self) -> str:
        routing = "" if self.routing == "static" else f", routing={self.routing!r}"
        return f"<Vrf {self.name} of {self.router.name}: {len(self.links)} links{routing}>"


@dataclass(frozen=True)
class Leak:
    """A range that can be reached from one table of a router, though it is in another.

    ``source`` is the VRF that has it, ``into`` the one that learns of it, None for the main
    table.

    """

    network: Network
    source: str
    into: str | None


class KeepingApart(Translating, Steering):
    """The part of a `Router` that keeps networks apart by tables of their own.

    ``vrfs`` holds each `Vrf` by its name, ``leaks`` what they know of each other.

    """

    vrfs: Mapping[str, Vrf]
    leaks: tuple[Leak, ...]

    def vrf(
        self,
        name: str,
        links: LinkBase | Iterable[LinkBase],
        *,
        routing: str | None = "static",
        as_number: int | None = None,
        table: int | None = None,
    ) -> Vrf:
        """Give some links a table of routes of their own: a VRF (virtual routing and forwarding).

        The router is then several in one.  What comes in by one of ``links`` leaves by another
        of them, or not at all; the same addresses may be used again behind other links.  Routes
        of the lab are computed for each VRF by itself, ``routing`` is as for `Router`: "static",
        "ospf", "bgp" (with ``as_number``), or None.

        ``name`` has up to 15 letters, digits, hyphens and underscores, and is the name of an
        interface of the router that stands for the VRF: ``ip vrf exec blue ping ...`` there.
        Services of the router answer in all of its VRFs.  ``table`` is the number of its table,
        of which the lab chooses one from 1001 on.

        While the router has VRFs, it looks up its own addresses (table "local") with priority
        32765 and not first, so that another behind a VRF may have the same.  Rules of
        `policy_rule` come before that then: a table that one of them names should have no route
        to an address of the router's own, or what is sent to it is passed on there.

        Saying it again replaces what was said of the VRF; in a lab that runs it is done at once.
        Raises `TopologyError` for a link that is not the router's, is in another VRF, or is one
        that it masquerades through; nothing has changed then.  Where the kernel has no VRFs,
        `Lab.start` says so before anything is made.

        Sources: RFC 4364 section 3, Documentation/networking/vrf.rst of the kernel.

        >>> pe.vrf("blue", [to_blue_office, to_blue_store])
        <Vrf blue of pe: 2 links>

        """
        here = f"router {self.name}: vrf({shown(name)})"
        fits = isinstance(name, str) and _NAME.fullmatch(name)
        if not fits or name in _KEPT or is_reserved_ifname(name):
            raise TopologyError(
                f"{here}: a VRF's name has up to 15 letters, digits, hyphens and underscores, "
                f'begins with a letter and is no word of Linux\'s own; write one such as "blue"'
            )
        taken = [links] if isinstance(links, LinkBase) else links
        if not is_list(taken):
            raise TopologyError(f"{here}: links={shown(links)} is no list of links of {self.name}")
        for link in taken:
            self._check_own(link, "vrf")
            self._refuse_taken(here, name, link)
        found = tuple(dict.fromkeys(taken))
        before = self.vrfs.get(name)
        number = self._check_table(here, name, table)
        if before and number not in (None, before.table) and self.listener is not None:
            raise TopologyError(
                f"{here}: it keeps its table {before.table} while the lab runs; leave table= out"
            )
        made = Vrf(
            name,
            self,
            number or (before.table if before else self._free_table()),
            found,
            self._check_routing(here, routing),
            check_as_number(self.name, routing, as_number),
        )
        self.divide({**self.vrfs, name: made}, self.leaks)
        return made

    def leak(self, network: str | Network, *, source: str | Vrf, into: str | Vrf | None) -> Leak:
        """Let one VRF reach a range of addresses that is in another, by a route between them.

        What comes in by a link of ``into`` and is for ``network`` is looked up once more, in
        the table of ``source``; ``into=None`` is the router's main table.  Hosts behind
        ``into`` send it to the router.  A leak leads one way: answers need one of their own,
        for the range that they go to.

        Saying it again changes nothing; in a lab that runs it is done at once.  Raises
        `TopologyError` for a VRF that the router has not, or what is no range.

        >>> pe.leak("10.2.0.0/24", source="red", into="blue")
        >>> pe.leak("10.1.0.0/24", source="blue", into="red")

        """
        here = f"router {self.name}: leak({shown(network)})"
        try:
            found = network_from(network)
        except (ValueError, TypeError):
            raise TopologyError(
                f'{here} takes a range of addresses; write one as in "10.2.0.0/24"'
            ) from None
        made = Leak(
            found, self._named(here, source), None if into is None else self._named(here, into)
        )
        if made.source == made.into:
            raise TopologyError(f"{here}: source= and into= are the same VRF; name two")
        if made not in self.leaks:
            self.divide(self.vrfs, [*self.leaks, made])
        return made

    def remove_leak(self, leak: Leak) -> None:
        """Take back what `leak` has returned; at once if the lab runs, and no error if it is gone.

        >>> pe.remove_leak(pe.leaks[0])

        """
        left = [one for one in self.leaks if one != leak]
        if len(left) < len(self.leaks):
            self.divide(self.vrfs, left)

    def divide(self, vrfs: Mapping[str, Vrf], leaks: Iterable[Leak]) -> None:
        """Change VRFs and leaks, and do it if the lab runs; else all stays as it was."""
        if (
            not isinstance(vrfs, Mapping)
            or not all(isinstance(one, Vrf) for one in vrfs.values())
            or not is_list(leaks)
            or not all(isinstance(one, Leak) for one in leaks)
        ):
            raise TopologyError(
                f"router {self.name}: divide() takes VRFs by their names, and leaks; use vrf() and "
                f"leak()"
            )
        before = self.vrfs, self.leaks

        def undo() -> None:
            self.vrfs, self.leaks = before

        with taken_or_undone(self.listener, undo):
            self.vrfs, self.leaks = MappingProxyType(dict(vrfs)), tuple(leaks)

    def _named(self, here: str, vrf: object) -> str:
        name = vrf.name if isinstance(vrf, Vrf) else vrf
        if not isinstance(name, str) or name not in self.vrfs:
            known = ", ".join(self.vrfs) or "none yet"
            raise TopologyError(
                f"{here}: {self.name} has no VRF {shown(name)} (it has: {known}); declare it with "
                f"{self.name}.vrf(...)"
            )
        return name

    def _refuse_taken(self, here: str, name: str, link: LinkBase) -> None:
        for other in self.vrfs.values():
            if other.name != name and link in other.links:
                raise TopologyError(
                    f"{here}: {link!r} is in the VRF {other.name} already; leave it out, or take "
                    f"that one back first with {self.name}.vrfs[{other.name!r}].remove()"
                )
        if any(item.link is link for item in self.nat):
            raise TopologyError(
                f"{here}: {self.name} translates addresses on {link!r}, which it does in its main "
                f"table alone; leave the link out, or let another router translate"
            )

    def _check_own(self, link: object, what: str) -> None:
        super()._check_own(link, what)
        inside = next((vrf.name for vrf in self.vrfs.values() if link in vrf.links), None)
        if inside is not None and what in _MAIN_ALONE:
            raise TopologyError(
                f"router {self.name}: {link!r} is in the VRF {inside}, and {what}() is done in the "
                f"main table alone; use a link that is in no VRF, or another router"
            )

    def _check_routing(self, here: str, routing: object) -> str | None:
        found = check_routing(self.name, routing)
        if isinstance(found, tuple):
            raise TopologyError(
                f"{here}: a VRF speaks one protocol here, not {' and '.join(found)}; choose one"
            )
        if found in ("rip", "isis"):
            called = {"rip": "RIP", "isis": "IS-IS"}[found]
            raise TopologyError(f'{here}: {called} is not spoken in VRFs here; use "ospf" or "bgp"')
        return found

    def _check_table(self, here: str, name: str, table: object) -> int | None:
        if table is None:
            return None
        if not is_whole(table, 1, 2**31 - 1) or table in (253, 254, 255):
            raise TopologyError(
                f"{here}: table={shown(table)} is no table of a VRF; write a number from 1 on, and "
                f"not 253 to 255, which are Linux's own"
            )
        for other in self.vrfs.values():
            if other.table == table and other.name != name:
                raise TopologyError(
                    f"{here}: {table=} is that of the VRF {other.name}; take another"
                )
        return int(table)

    def _free_table(self) -> int:
        taken: set[int | None] = {vrf.table for vrf in self.vrfs.values()}
        taken |= {route.table for route in self.own_routes}
        taken |= {rule.table for rule in self.own_rules}
        return next(number for number in range(FIRST_TABLE, 2**31) if number not in taken)


def without_links(known: Mapping[K, Any], gone: Collection[object]) -> Mapping[K, Any]:
    """Return VRFs, or whatever else has links, without links that are gone."""
    taken = set(gone)
    found = {}
    for name, one in known.items():
        left = tuple(link for link in one.links if link not in taken)
        found[name] = one if len(left) == len(one.links) else dataclasses.replace(one, links=left)
    return MappingProxyType(found)
