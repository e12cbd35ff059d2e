"""A Docker Swarm as an engine: nodes are services on several machines, agents one on each.

`manager` asks the swarm, `specs` is what it is told, `nodes` and `servers` are what is made there,
`machine_images` brings images to the machines, and `placing` decides which node goes where.

"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from playground.display.progress import Progress, Silent
from playground.engines.docker.guardian import Guardian
from playground.engines.docker.logins import login_header
from playground.engines.docker.server import Server
from playground.engines.images import Image, helper_image, image_for
from playground.engines.seam import (
    KEEP,
    LAB,
    MARK,
    NAME,
    NODE,
    OWNER,
    Channel,
    Guard,
    LabLabels,
    LabRecord,
    NodeContainer,
    OwnImage,
    WantedImage,
    refuse_settings,
)
from playground.engines.swarm.examination import Examination, examine
from playground.engines.swarm.machine_images import MachineImages
from playground.engines.swarm.manager import Manager, refuse_old
from playground.engines.swarm.nodes import processes, refuse_dead, start_nodes, tasks_by_node
from playground.engines.swarm.overlay import (
    refuse_underlay,
    refuse_without_ipsec,
    remake_network,
)
from playground.engines.swarm.placement_weights import place_plan
from playground.engines.swarm.registry import registry_of_environment
from playground.engines.swarm.registry_service import RegistryService
from playground.engines.swarm.servers import MachineService
from playground.engines.swarm.specs import (
    has_volumes,
    helper_of,
    labels_of,
    machine_of_service,
    server_name,
)
from playground.errors import EngineError
from playground.planning.placement.machines import Spread
from playground.planning.placement.shapes import Placement

if TYPE_CHECKING:
    from playground.planning.plan import Plan

# Of what a container is told, what is done here as it says.
_ABLE = frozenset(
    {
        *("source", "packages", "env", "user", "workdir", "volumes"),
        *("cap_add", "shm_mb", "ulimits", "labels"),
    }
)


class SwarmEngine:
    """A Docker Swarm, reached by one of its managers.

    ``url`` is what ``DOCKER_HOST`` may hold; None takes the environment's, as `DockerEngine`
    does.  Nothing is opened until the first request.

    """

    # A service cannot be without a network, nor be told which paths may be written.
    nodes_are_plain = True
    has_common_files = False

    def __init__(self, url: str | None = None) -> None:
        self.server = Server(url)
        self.manager = Manager(self.server)
        self._service = MachineService(self.manager)
        self._images = MachineImages(self.manager, self._service)
        # Labs of which more is on the machines than what ends with their lines, whether or not
        # services tell of it: helpers that stay, volumes.
        self._kept: set[str] = set()

    def __repr__(self) -> str:
        return f"SwarmEngine({self.url!r})" if self.url else "SwarmEngine()"

    @property
    def url(self) -> str | None:
        """The address given when the engine was made; None: the environment has it."""
        return self.server.url

    @property
    def has_our_files(self) -> bool:
        """Whether it can show files of this machine in hosts: those run anywhere."""
        return False

    def close(self) -> None:
        """Close all connections.  The engine opens new ones when it is used again."""
        self.server.close()

    def check(self) -> None:
        """Make sure that the engine answers, and is a manager of a swarm.

        Raises `EngineError` with a sentence that says what to do.

        """
        with self.server.errors("asking the engine for its version"):
            self.server.negotiate()
        self.manager.check()

    def examine(self) -> Examination:
        """Look at the swarm, its registry, and the network between its machines."""
        self.check()
        return examine(self.manager, self._images, self._service)

    def remake_network(self, *, encrypted: bool = False, mtu: int | None = None) -> None:
        """Make the network between the machines anew, for all labs to come.

        ``mtu`` is what the machines' own network takes in one packet, in bytes.  Raises
        `EngineError` while labs run, or where a kernel cannot encrypt.

        """
        refuse_underlay(mtu, encrypted)
        if encrypted:
            refuse_without_ipsec(self.examine())
        else:
            self.check()
        remake_network(self.manager, encrypted, mtu)

    @property
    def registry_service(self) -> RegistryService:
        """The registry that this swarm may have as a service of its own."""
        return RegistryService(self.manager, self._images.here)

    def refuse(self, plan: Plan) -> None:
        """Raise `EngineError` for what a service cannot be told."""
        refuse_settings(plan, "Docker Swarm", _ABLE)

    def place(
        self,
        plan: Plan,
        spread: Spread,
        running: Placement | None,
        without: Collection[str] = (),
    ) -> Placement:
        """Return the machine of each node, ``without`` some machines.

        Those of ``running`` stay where they are.

        """
        machines = [machine for machine in self.manager.ready() if machine.name not in without]
        refuse_old(machines)
        rooms = [machine.room for machine in machines]
        return place_plan(plan, rooms, spread, running.machines if running else {})

    def machine_names(self) -> list[str]:
        """Return the machines that take nodes."""
        return [machine.name for machine in self.manager.ready()]

    def lost_machines(self) -> list[str]:
        """Return the machines that the manager hears nothing of."""
        return [machine.name for machine in self.manager.machines() if machine.is_lost]

    def forget_nodes(self, lab_id: str, nodes: Sequence[str]) -> None:
        """Remove the services of nodes whose machine is lost, and do not wait for that one."""
        with self.server.errors(f"removing services of lab {lab_id}"):
            self.manager.forget(lab_id, nodes, NODE)

    def image_for(self, services: frozenset[str], packages: tuple[str, ...] = ()) -> Image:
        """Return the image of a host with these services."""
        return image_for(services, packages)

    def ensure_images(self, images: Sequence[Image], progress: Progress | None = None) -> None:
        """Bring images to where all machines get them, and have a server on each machine."""
        show: Progress = progress or Silent()
        self._images.spread(images, show)

    def _helper(self) -> str:
        return self._images.name_of(helper_image().tag)

    def _helper_of(self, lab_id: str) -> str:
        """Return the image of a lab's helpers: another playground may have started it."""
        with self.server.errors(f"looking for the helpers of lab {lab_id}"):
            found = helper_of(self.manager.services(f"{LAB}={lab_id}"))
        if found is None:
            self._images.know((helper_image(),), Silent())
        return found or self._helper()

    def own_image(self, here: str, wanted: WantedImage, progress: Progress) -> OwnImage:
        """Return an image of the user's as the machines get it; see `DockerEngine.own_image`."""
        from playground.engines.docker.own_images import OwnImages

        found = OwnImages(self.server, self._images.here).ready(here, wanted, progress)
        return OwnImage(self._images.spread_own(found.tag, progress), found.config)

    def guard(self, lab: LabLabels, users: Sequence[Mapping[str, Any]] = ()) -> Guard:
        """Start a process that removes the lab's services if this one is killed."""
        guardian = Guardian.start(lab.id, self.url, "playground.engines.swarm.leftovers")
        try:
            with suppress(EngineError):  # this lab has no part in it
                self.sweep()
        except BaseException:
            guardian.release()
            raise
        return guardian

    def sweep(self) -> None:
        """Remove what was made for programs of this machine that have ended.

        All labs are tried before `EngineError` is raised for one that stays.

        """
        errors: list[EngineError] = []
        for record in self.labs():
            if record.is_stale:
                try:
                    self.stop(record.id)
                except EngineError as error:
                    errors.append(error)
        if errors:
            raise errors[0]

    def start_helper(self, lab: LabLabels) -> Channel:
        """Return the line to the lab's agents, one on each machine that nodes of it are on."""
        if lab.keep:
            self._kept.add(lab.id)
        return self._service.open(self._helper(), lab, list(lab.machines), new=True)

    def connect(self, lab_id: str) -> Channel:
        """Return one more line to the agents of a lab."""
        labels = LabLabels(lab_id, "", "", keep=True)
        return self._service.open(self._helper_of(lab_id), labels, [], new=False)

    def start_nodes(
        self, lab: LabLabels, nodes: Sequence[NodeContainer], progress: Progress | None = None
    ) -> dict[str, int]:
        """Start a service for each node; return the numbers of their first processes by name.

        A number holds the machine and the process id there: `agent.machines.numbers`.

        """
        named = [self._with_image(node) for node in nodes]
        headers = login_header(registry_of_environment())
        helper = self._helper_of(lab.id)
        return start_nodes(self.manager, lab, named, progress or Silent(), headers, helper)

    def _with_image(self, node: NodeContainer) -> NodeContainer:
        if node.image is None:
            return node
        return dataclasses.replace(node, image=self._images.name_of(node.image))

    def refuse_dead(self, lab: LabLabels, nodes: Sequence[NodeContainer]) -> None:
        """Raise `NodeDied` if one of these nodes has ended, or its machine has."""
        refuse_dead(self.manager, lab, nodes)

    def open_machine_access(self, command: Sequence[str], machine_network: bool) -> Channel:
        """Refuse to reach into a machine: a swarm has several."""
        raise EngineError(
            "a lab on a swarm cannot be plugged into a machine: which of them would it be? "
            "start it on one, with Lab(engine='docker')"
        )

    def container(self, name: str) -> tuple[str, int] | None:
        """Find none: containers of a swarm are on several machines."""
        return None

    def pids(self, lab_id: str) -> dict[str, int]:
        """Return the numbers of the nodes of a lab that run, by their names."""
        with self.server.errors(f"looking for the machines of lab {lab_id}"):
            down = {machine.id for machine in self.manager.machines() if machine.is_lost}
            return processes(tasks_by_node(self.manager, lab_id), down)

    def stop(self, lab_id: str, nodes: Sequence[str] | None = None) -> None:
        """Remove the services of a lab, or of some of its nodes, and wait until they have ended.

        Of a kept lab, or one with volumes, no container is left on any machine when it returns;
        else the engines remove those of what has ended a moment later.

        """
        with self.server.errors(f"removing the services of lab {lab_id}"):
            services = self.manager.services(f"{LAB}={lab_id}") if nodes is None else []
            if any(labels_of(one).get(KEEP) == "1" or has_volumes(one) for one in services):
                self._kept.add(lab_id)
            helper = helper_of(services)
            self.manager.stop(lab_id, nodes, NODE)
            if nodes is None and lab_id in self._kept:
                self.remove_helpers(lab_id, helper)
                self._kept.discard(lab_id)

    def remove_helpers(self, lab_id: str, helper: str | None = None) -> None:
        """Remove the helpers of a lab on all machines; those that were not kept end themselves.

        ``helper`` is their image.  Where it is not known, or its servers are gone, those of
        any version do it: they find helpers by the lab's label.  Without any, there is no lab.

        """
        running = self._service.running()
        if not running and helper is not None:
            self._images.spread((), Silent())
            running = self._service.running()
        own = server_name(helper) if helper else ""
        for name in [own] if own in running else running:
            self._service.stop(name, lab_id)

    def labs(self) -> list[LabRecord]:
        """Return the labs that the swarm has services of, oldest first."""
        by_lab: dict[str, list[dict[str, Any]]] = {}
        with self.server.errors("looking for labs"):
            for service in self.manager.services(LAB):
                by_lab.setdefault(labels_of(service)[LAB], []).append(service)
            machines = self.manager.machines() if by_lab else []
        names = {one.id: f"{one.name} (down)" if one.is_lost else one.name for one in machines}
        records = (_record(services, names) for services in by_lab.values())
        return sorted(records, key=lambda record: record.created)


def _record(services: list[dict[str, Any]], machines: Mapping[str, str]) -> LabRecord:
    labels = labels_of(services[0])
    nodes = {labels_of(service).get(NODE) for service in services}
    places = {
        labels_of(service).get(NODE, ""): machines.get(machine_of_service(service), "?")
        for service in services
    }
    return LabRecord(
        id=labels[LAB],
        name=labels.get(NAME, ""),
        owner=labels.get(OWNER, ""),
        nodes=tuple(sorted(node for node in nodes if node)),
        created=min(_seconds(service["CreatedAt"]) for service in services),
        keep=labels.get(KEEP) == "1",
        mark=labels.get(MARK, ""),
        places=tuple(sorted((node, where) for node, where in places.items() if node)),
    )


def _seconds(text: str) -> float:
    """Return a time of the API's, whose fractions may have nine digits, in seconds since 1970.

    >>> _seconds("1970-01-01T00:01:00.123456789Z")
    60.123456

    """
    whole, _, rest = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{(rest + '000000')[:6]}+00:00").timestamp()
