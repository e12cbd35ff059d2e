"""Prefix delegation, as a router asks for it: `Requesting`, its method (RFC 8415 section 6.3)."""

from __future__ import annotations

from collections.abc import Sequence

from playground.errors import TopologyError
from playground.model.arguments import is_list, shown
from playground.model.parts import LinkBase, MachineBase


class Requesting(MachineBase):
    """The part of a `Router` that asks for prefixes; ``requested`` holds for which links."""

    requested: dict[LinkBase, tuple[LinkBase, ...]]

    def request_prefix(self, link: LinkBase, *, to: LinkBase | Sequence[LinkBase]) -> None:
        """Ask on a link for a prefix, as a home router does; each link of `to` gets a /64 of it.

        Somebody on `link` delegates, with the service `PrefixDelegation`; networks of `to` have no
        IPv6 subnet of their own then, and hosts there are told by `advertise` as ever.  The router
        itself asks by dhcpcd (its service "dhcpv6-client"), and `start` returns when it has its
        addresses.  It has to be said before the lab starts.

        Raises `TopologyError` if one of them is no link of this router's, or the same.

        >>> modem.request_prefix(uplink, to=lan)

        """
        here = f"router {self.name}: request_prefix()"
        links = tuple(to) if is_list(to) else (to,)
        for one in (link, *links):
            if not isinstance(one, LinkBase) or one not in self.attachments:
                raise TopologyError(
                    f"{here}: {shown(one)} is not one of its links; give it a link that was made "
                    f"with {self.name}"
                )
        if not links or link in links or len(set(links)) < len(links):
            raise TopologyError(
                f"{here} asks on one link for the others of this router: to= names each of them "
                "once, and not the one that it asks on"
            )
        if self.listener is not None:
            raise TopologyError(
                f"{here} has to be said before the lab starts, for the router needs a program for "
                "it: stop the lab, say it and start it again"
            )
        self.requested = {**self.requested, link: links}
