"""The verdict on a packet, and the reason: a decision over facts that were gathered.

Pure.  `decide` walks from node to node by `Facts`: where the packet, its answer and the
questions for neighbours were seen, what rules decided, what each kernel says of its
routes, neighbours and sockets.  It writes down a step for each thing that it looked at,
and names the node and the cause where the packet, or its answer, stopped.

"""

# ip-route(8), RFC 1812 (what routers do), RFC 3704 (reverse path), RFC 2923 (black holes).

from __future__ import annotations

import errno
from collections.abc import Sequence
from ipaddress import ip_address

from playground.display.tables import Table
from playground.model.vlans import listed
from playground.operations.diagnosis.explanation import Explanation
from playground.operations.diagnosis.facts import (
    Facts,
    Large,
    Way,
    first_look,
    look_back,
    look_on,
    packet_of,
)
from playground.operations.diagnosis.hop import Fault, endpoint, ttl_of, variable
from playground.operations.diagnosis.packet_trace import Sighting, Trail
from playground.operations.diagnosis.server_faults import ServerFaults


def decide(facts: Facts) -> Explanation:
    """Return what became of the packet, by the facts alone.

    >>> decide(facts).cause
    'no route back'

    """
    walk = _Walk(facts)
    fault = walk.name() or walk.there() or walk.back()
    if fault is not None and facts.outcome.answered and fault.cause != "wrong name":
        # Of what is seen on a busy machine something may be missing.
        walk.step(facts.question.source, "answer", "came, though not all of its way was seen")
        fault = None
    # Two machines with one address are a fault even where luck had it right.
    fault = walk.doubled(fault) or fault or walk.whole()
    if fault is not None:
        walk.step(fault.node, "cause", fault.cause, False)
    question = str(facts.question)
    if fault is None:
        ways = " - ".join(walk.path)
        sentence = f"All is well: {ways}."
        if walk.path_back and walk.path_back[::-1] != walk.path:
            sentence = f"All is well: {ways}, and back {' - '.join(walk.path_back)}."
        fault = Fault("", "", sentence)
    return Explanation(
        question,
        fault.node,
        fault.cause,
        fault.sentence,
        fault.advice,
        tuple(walk.path),
        tuple(walk.path_back),
        Table(walk.steps),
    )


class _Walk(ServerFaults):
    """One walk: there, and back."""

    def name(self) -> Fault | None:
        facts, names = self.facts, self.facts.names
        source, target = facts.question.source, facts.question.target
        self.path.append(source)
        if facts.address is not None:
            if names.by:
                self.step(source, "name", f"{target} is {facts.address} ({names.by})")
            return None
        self.step(source, "name", f"{target} is not known", False)
        if names.behind is not None:
            return self._behind(names.expected or target)
        if names.addresses:
            version = "6" if ":" not in names.addresses[0] else "4"
            return Fault(
                source,
                "name unknown",
                f"{source} knows {target} as {', '.join(names.addresses)} only, which is no "
                f"IPv{version}.",
                f"Ask about the address that it knows: `lab.explain({source!r}, {target!r}, "
                f"version={10 - int(version)})`.",
            )
        if facts.asking is not None and not facts.asking.ok:
            asking = facts.asking
            self.steps += asking.steps
            return Fault(
                asking.node,
                asking.cause,
                f"{source} cannot ask its name server {names.nameservers[0]} what {target} is. "
                f"{asking.sentence}",
                asking.advice,
            )
        if names.planned is not None:
            return Fault(
                source,
                "name unknown",
                f"{source} does not know the name {target} any more: the lab had written it into "
                f"its /etc/hosts.",
                f"Write it there again: `{variable(source)}.hosts[{target!r}] = "
                f"{names.planned!r}`.",
            )
        if names.vlans is not None:
            own, theirs = (f"VLAN {listed(numbers)}" for numbers in names.vlans)
            meant = names.expected or target
            return Fault(
                source,
                "no route",
                f"{source} is in {own} and {meant} in {theirs}, and no router leads from one to "
                f"the other: so {source} was told of no name {target}.",
                "Link a router to both, by a trunk or by a port in each; or put both into one VLAN "
                "by link.change(vlan=...).",
            )
        asks = f", nor does its name server {names.nameservers[0]}" if names.nameservers else ""
        advice = f"Look at `dict({variable(source)}.hosts)`"
        advice += f" and `{variable(source)}.nameservers`" if names.nameservers else ""
        return Fault(
            source,
            "name unknown",
            f"{source} does not know the name {target}{asks}: it stands in no line of its "
            f"/etc/hosts.",
            f"{advice}; is it spelt right?",
        )

    def there(self) -> Fault | None:
        node, came, fault = self._follow("probe", self.facts.question.source, self.path)
        self.last = came
        if fault is not None or self.left_lab:
            return fault
        return self._at_target(node, came)

    def back(self) -> Fault | None:
        facts = self.facts
        source = facts.question.source
        seen = facts.trail.answer
        target = self.path[-1]
        if self.left_lab:
            return self._outside(target)
        if not any(one.place == target and one.way == "out" for one in seen):
            return self._unanswered(target)
        self.path_back.append(target)
        node, _, fault = self._follow("answer", target, self.path_back)
        if fault is not None:
            return fault
        if facts.outcome.answered:
            took = facts.outcome.seconds
            time = "" if took is None else f" after {took * 1000:.2g} ms"
            self.step(source, "answer", f"came{time}")
            return None
        if node != source:
            return Fault(
                node,
                "unknown",
                f"The answer came as far as {node}, which took it for its own.",
                f"Look at `{variable(node)}.connections()` and its NAT.",
            )
        return Fault(
            source,
            "unknown",
            f"The answer came back to {source}, and the program that had asked did not get it.",
            f"Look at `{variable(source)}.firewall.rules()`.",
        )

    def _outside(self, router: str) -> Fault | None:
        """Return what is known of a packet that has left the lab: whether an answer came."""
        if self.facts.outcome.answered:
            self.step(self.facts.question.source, "answer", "came from outside of the lab")
            return None
        if self.facts.outcome.errno == errno.ECONNREFUSED:
            return Fault(
                router,
                "server stopped",
                f"The packet left the lab at {router}, and was refused outside: nothing listens "
                f"there on {self.facts.question.protocol} port {self.facts.question.port}.",
                "Start a server there.",
            )
        if not self.facts.expects_answer:
            return None
        return Fault(
            router,
            "no answer",
            f"The packet left the lab at {router}, and no answer came back from outside.",
            "Does whoever has the address answer? What is outside, lab.explain cannot see.",
        )

    def _follow(
        self, role: str, node: str, path: list[str]
    ) -> tuple[str, Sighting | None, Fault | None]:
        """Go from node to node; return where it stayed, how it came there, and the fault."""
        came: Sighting | None = None
        for _ in range(256):
            left = self._leaving(role, node, came)
            self._rules(role, node, after_route=False)
            if left is None:
                return node, came, self._stays(role, node, came)
            self._passes(role, node, came, left)
            arrived = self._arriving(role, left)
            if arrived is None and self._leads_out(left):
                self.step(node, "link", f"it leaves the lab by {left.interface}")
                self.left_lab = True
                return node, came, None
            if arrived is None:
                return node, came, self._lost(left, None)
            node, came = arrived.place, arrived
            path.append(node)
        return node, came, self._loop(path)

    def _leads_out(self, left: Sighting) -> bool:
        """Tell whether an interface is none of the lab's links, as that of `Lab.uplink`."""
        state = self.facts.states[left.place].interface(left.interface)
        names = {left.interface, (state.below if state is not None else None) or left.interface}
        return not any(self.facts.wires.knows((left.place, name)) for name in names)

    def _leaving(self, role: str, node: str, came: Sighting | None) -> Sighting | None:
        seen = self._seen(role, node, "out")
        if came is not None:
            if came.interface == "lo":
                return None
            seen = [one for one in seen if ttl_of(one) == ttl_of(came) - 1]
        elif seen:
            most = max(map(ttl_of, seen))
            seen = [one for one in seen if ttl_of(one) == most]
        return self._outermost(seen)

    def _arriving(self, role: str, left: Sighting) -> Sighting | None:
        seen = [
            one
            for one in (self.facts.trail.probe if role == "probe" else self.facts.trail.answer)
            if one.way == "in" and one.place in self.facts.states and ttl_of(one) == ttl_of(left)
            if one.place != left.place or left.interface == "lo"
        ]
        first = [one for one in seen if one.place == seen[0].place]
        return self._outermost(first)

    def _outermost(self, seen: Sequence[Sighting]) -> Sighting | None:
        """Of sightings at one node, choose that at an interface with addresses (VLANs)."""
        for one in seen:
            state = self.facts.states[one.place].interface(one.interface)
            if state is not None and state.addresses:
                return one
        return seen[0] if seen else None

    def _passes(self, role: str, node: str, came: Sighting | None, left: Sighting) -> None:
        """Write down what a node did with a packet that it sent on."""
        packet = packet_of(left)
        way = self._way(role, node, came)
        back = " back" if role == "answer" else ""
        if left.interface == "lo":
            self.step(node, f"route{back}", f"{packet.destination} is its own")
            return
        if way is not None and way.errno is None and way.interface == left.interface:
            self.step(node, f"route{back}", f"{packet.destination}: {way}")
            hop = way.via or packet.destination
        else:
            hop = self._address_of(left.mac_destination) or packet.destination
            self.step(node, f"route{back}", f"{packet.destination}: dev {left.interface}")
        self._rules(role, node, after_route=True)
        if came is not None:
            before = packet_of(came)
            for what, old, new in (
                ("source", before.flow[:2], packet.flow[:2]),
                ("destination", before.flow[2:], packet.flow[2:]),
            ):
                if old != new:
                    self.step(node, "nat", f"{what} {endpoint(*old)} becomes {endpoint(*new)}")
        self.used[node, left.interface, hop] = None
        self.hop = hop
        self.step(node, "neighbour", f"{hop} is {left.mac_destination} at {left.interface}")

    def _rules(self, role: str, node: str, *, after_route: bool) -> None:
        """Write down which rules let it pass, before the node looked for a way or after."""
        for hit in self._hits(role, node):
            if hit.verdict == "accept" and ("postrouting" in hit.place) == after_route:
                self.step(node, "rule", f"{hit.place}: {hit.rule}")

    def _way(self, role: str, node: str, came: Sighting | None) -> Way | None:
        facts = self.facts
        if came is not None:
            return facts.ways.get(look_on(facts, role, came))
        if role == "probe" and facts.address is not None:
            return facts.ways.get(first_look(facts))
        if self.last is not None:
            return facts.ways.get(look_back(self.last))
        return None

    def _stays(self, role: str, node: str, came: Sighting | None) -> Fault | None:
        """Return why a packet did not leave a node; None if it was to stay there."""
        for hit in self._hits(role, node):
            if hit.verdict == "drop":
                return self._filtered(role, node, hit)
        if came is not None and (came.interface == "lo" or self._was_taken(role, node)):
            return None
        way = self._way(role, node, came)
        packet = packet_of(came) if came is not None else None
        if came is None or packet is None:
            return self._not_sent(role, node, way)
        if way is not None and way.errno is None and way.kind == "local":
            if (error := self._forbidden(role, node)) is not None:
                return error
            return None
        look = look_on(self.facts, role, came)
        destination = look.destination
        if self._reverse_path(node, way):
            home = self.facts.ways.get(look_back(came))
            if home is not None and home.errno is None:
                self.step(node, "reverse path", f"{packet.source}: {home}", False)
                return Fault(
                    node,
                    "reverse path filter",
                    f"{node} drops what comes from {packet.source} by {came.interface}, because "
                    f"its own way to {packet.source} leaves by {home.interface} (rp_filter).",
                    f"Give {node} a route to {packet.source} by {came.interface}, or turn the "
                    f'filter off: `{variable(node)}.sysctls["net.ipv4.conf.all.rp_filter"] = 0` '
                    f'and `{variable(node)}.sysctls["net.ipv4.conf.{came.interface}.rp_filter"] '
                    f"= 0`.",
                )
            return self._no_route(node, packet.source, role, back=role == "probe")
        if ip_address(packet.source).is_link_local:
            # RFC 4291 section 2.5.6: routers do not pass such on.
            return self._unaddressed((self.path if role == "probe" else self.path_back)[0], packet)
        if not self._forwards(node, came.interface, packet.version):
            return self._not_forwarding(node, came, packet)
        if packet.ttl <= 1:
            return self._loop(self.path if role == "probe" else self.path_back)
        # A route that prohibits says the same as a firewall that rejects.
        prohibits = self._own_kind(node, destination, "prohibit")
        if not prohibits and (error := self._forbidden(role, node)) is not None:
            return error
        if way is None:
            return self._unknown(node, "came in and did not leave again")
        return self._no_way_on(role, node, destination, way)

    def _was_taken(self, role: str, node: str) -> bool:
        """Tell whether what happened next shows that a packet stayed where it should."""
        if role == "probe":
            return bool(self._seen("answer", node, "out"))
        return node == self.facts.question.source and self.facts.outcome.answered

    def _not_sent(self, role: str, node: str, way: Way | None) -> Fault:
        facts = self.facts
        if role == "probe":
            destination = facts.address or ""
            if facts.outcome.errno in (errno.EPERM, errno.EACCES) and (
                way is None or way.errno is None
            ):
                return Fault(
                    node,
                    "firewall",
                    f"{node} does not let its own packet out: a rule of its firewall drops it.",
                    f"Look at `{variable(node)}.firewall.rules()` and "
                    f'`{variable(node)}.run("nft list ruleset")`.',
                )
        else:
            destination = packet_of(self.last).source if self.last is not None else ""
        if way is None:
            return self._unknown(node, "did not send anything")
        return self._no_way_on(role, node, destination, way)

    def _reverse_path(self, node: str, way: Way | None) -> bool:
        moved = self.facts.counted.get(node, {}).get("IPReversePathFilter", 0)
        return bool(moved) or (way is not None and way.errno == errno.EXDEV)

    def doubled(self, fault: Fault | None) -> Fault | None:
        """Return the fault of an address on the way that two machines have."""
        if fault is not None and fault.cause in ("name unknown", "NAT", "firewall"):
            return None
        facts = self.facts
        wanted = dict(self.used)
        for one in (*facts.trail.probe[:1], *facts.trail.answer[:1]):
            if one.place in facts.states and one.way == "out":
                wanted[one.place, one.interface, packet_of(one).source] = None
        for node, interface, address in wanted:
            segment = facts.wires.crossed((node, interface))
            owners = [place for place in self._owners(address) if place in segment]
            if len({name for name, _ in owners}) > 1:
                return self._double(node, address, owners)
        return None

    def whole(self) -> Fault | None:
        """Return the fault of a way on which large packets are lost without a word."""
        for large in self.facts.large:
            fault = self._large(large)
            if fault is not None:
                return fault
        return None

    def _large(self, large: Large) -> Fault | None:
        trail = Trail(large.sightings, large.marks)
        path = self.path if large.role == "probe" else self.path_back
        goal = path[-1]
        arrived = any(one.place == goal and one.way == "in" for one in trail.probe)
        errors = [one for one in trail.errors if packet_of(one).is_too_big]
        back = " back" if large.role == "answer" else ""
        if large.errno == errno.EMSGSIZE:
            self.step(large.sender, f"mtu{back}", "it knows that the way takes less")
            return None
        if arrived:
            self.step(large.sender, f"mtu{back}", f"{large.size_bytes} bytes arrive")
            return None
        dropped = next(
            (hit for hit in large.hits if hit.verdict == "drop" and hit.packet.is_too_big),
            None,
        )
        if any(one.place == large.sender and one.way == "in" for one in errors) and dropped is None:
            told = packet_of(errors[0]).next_mtu_bytes
            self.step(large.sender, f"mtu{back}", f"it is told that the way takes {told} bytes")
            return None
        passed = [one for one in trail.probe if one.place in self.facts.states]
        if not errors and dropped is None and passed and passed[-1].way == "out":
            fault = self._lost(passed[-1], None)
            if fault.cause == "mtu":
                return fault
        narrow = errors[0].place if errors else None
        narrow = narrow or (
            dropped.node if dropped else passed[-1].place if passed else large.sender
        )
        node = dropped.node if dropped else narrow
        self.step(node, f"mtu{back}", f"{large.size_bytes} bytes are lost", False)
        why = (
            f"{dropped.node} drops what would tell so (`{dropped.rule}` in {dropped.place})"
            if dropped
            else 'nobody tells the sender (ICMP "fragmentation needed" does not come back)'
        )
        return Fault(
            node,
            "mtu",
            f"Small packets pass, and those of {large.size_bytes} bytes from {large.sender} are "
            f"lost at {narrow}, whose next link takes less; {why}: an MTU black hole.",
            f'Let ICMP errors pass: `{variable(node)}.firewall.accept(protocol="icmp")`, or give '
            "all links the same MTU.",
        )
