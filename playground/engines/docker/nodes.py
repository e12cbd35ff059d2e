"""Nodes as containers: started some at a time, and explained where one ends at once."""

from __future__ import annotations

import http.client
from collections.abc import Sequence

from playground.display.progress import Progress, Silent
from playground.engines.docker.container_configs import container_name, node_config
from playground.engines.docker.containers import LabContainers, start
from playground.engines.docker.errors import no_account
from playground.engines.docker.http import Line, Refused
from playground.engines.seam import NODE, LabLabels, NodeContainer
from playground.engines.volume_sources import refuse_links
from playground.errors import EngineError, NodeDied


def start_nodes(
    containers: LabContainers,
    lab: LabLabels,
    nodes: Sequence[NodeContainer],
    progress: Progress | None = None,
) -> dict[str, int]:
    """Start a container for each node; return their process ids by name.

    Ids are those of each container's first process, as the engine's machine
    counts.  Raises `NodeDied` if a container ends at once, `EngineError` if
    the engine refuses; then, and after an interrupt, none of these
    containers is left.

    """
    show: Progress = progress or Silent()
    shows_files = containers.server.has_our_files
    made: list[str] = []
    pids: dict[str, int] = {}

    def start_one(line: Line, node: NodeContainer) -> None:
        name = container_name(lab.id, node.name)
        # Noted first: a create whose answer is lost may have made it.
        made.append(name)
        try:
            containers.create(line, lab, name, node_config(lab, node, shows_files))
        except Refused as refusal:
            if refusal.status == http.client.CONFLICT:
                made.remove(name)  # it is somebody else's
            raise
        if shows_files:
            _refuse_replaced(node)
        try:
            pids[node.name] = start(line, name)
        except Refused as refusal:
            raise no_account(node.name, refusal.message) or refusal from refusal
        step.advance()

    with (
        show.step("starting the machines", total=len(nodes)) as step,
        containers.server.errors("starting the machines"),
    ):
        try:
            containers.server.each(nodes, start_one)
            refuse_dead(containers, lab, nodes)
        except BaseException:
            containers.remove(made)
            raise
    return {node.name: pids[node.name] for node in nodes}


def _refuse_replaced(node: NodeContainer) -> None:
    """Raise `EngineError` for a volume whose path has got a link since it was named.

    The engine follows links, and does so when a container starts: this is looked at just
    before.  What changes in between is not seen.

    """
    for volume in node.settings.volumes:
        if volume.shared:
            continue
        try:
            refuse_links(volume.source)
        except OSError as error:
            raise EngineError(
                f"{node.name}: {error.strerror}; make it what it was, or declare the host anew"
            ) from error


def refuse_dead(containers: LabContainers, lab: LabLabels, nodes: Sequence[NodeContainer]) -> None:
    """Raise `NodeDied`, with what it printed, if one of these nodes has ended.

    `start_nodes` asks this itself when all have started; a first program
    that lives a moment longer is found by asking again when a node fails.

    """
    with containers.server.errors("looking whether the machines run"):
        running = {item["Labels"].get(NODE) for item in containers.listed(lab.id)}
        for node in nodes:
            if node.name not in running:
                raise _death(containers, lab, node)


def _death(containers: LabContainers, lab: LabLabels, node: NodeContainer) -> NodeDied:
    """Say why a node ended, with what it printed.

    The container and its log are gone by then (auto-remove), so it is
    started once more without that, to die again and be read.

    """
    log, status = "", None
    if containers.server.has_our_files:
        _refuse_replaced(node)
    config = node_config(lab, node, containers.server.has_our_files)
    try:
        status, log = containers.run_once(f"{node.name}._again", config, lab, 5.0)
    except Refused as refusal:
        log = refusal.message
    what = f" with status {status}" if status is not None else ""
    return NodeDied(
        f"{node.name} ended as soon as it was started{what}: the first program of its image, "
        f"{node.image}, must go on running",
        log,
    )
