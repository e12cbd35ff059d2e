"""Builds by a Docker server: one at a time, noted line by line, their log kept."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import NamedTuple

from playground.display.progress import Progress
from playground.engines.build_environment import BUILD_TIMEOUT_S, proxies
from playground.engines.build_log import BuildLog
from playground.engines.docker.build_turns import build_turn
from playground.engines.docker.server import Server


class Built(NamedTuple):
    """What came of a build: the engine's complaint, "" where it went well, and the log's end."""

    error: str
    log: str


def run_build(
    server: Server,
    title: str,
    context: bytes,
    tag: str,
    progress: Progress,
    *,
    arguments: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Built:
    """Let the engine build an archive with a Dockerfile; ``title`` is shown meanwhile.

    ``arguments`` are those of ``ARG``, to which the proxies of this machine are added.  A
    Dockerfile that the engine refuses before it builds is a complaint like any other;
    `EngineError` is raised where the engine itself fails.

    """
    import docker.errors

    log = BuildLog()
    error = ""
    with (
        progress.step(title) as step,
        server.errors(title),
        server.client(BUILD_TIMEOUT_S) as api,
        build_turn(server.socket_path(), step.note),
    ):
        try:
            stream = api.build(
                fileobj=io.BytesIO(context),
                custom_context=True,
                tag=tag,
                buildargs={**(arguments or {}), **proxies()},
                labels=dict(labels or {}),
                rm=True,
                forcerm=True,
                decode=True,
            )
            # Read to the end, after an error too: else the connection stays open.
            for item in stream:
                said = item.get("stream") or item.get("status") or ""
                log.add(said)
                if line := said.strip():
                    step.note(line)
                error = item.get("error", error)
        # What is no Dockerfile is refused before anything is built.
        except docker.errors.APIError as refusal:
            if not refusal.is_client_error():
                raise
            error = str(refusal.explanation or refusal)
            log.add(f"{error}\n")
    return Built(error, log.text())
