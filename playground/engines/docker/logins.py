"""Logins at registries, as ``docker login`` keeps them in this user's settings of Docker."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

from playground.engines.whole_files import write_whole
from playground.errors import EngineError

_MODE = 0o600


def login_header(registry: str | None) -> dict[str, str]:
    """Return the header by which an engine logs in at a registry as ``docker login`` has here.

    Empty where nobody has logged in.  Raises `EngineError` where Docker's own settings, or
    the program that keeps its passwords, cannot be read.

    """
    import docker.auth
    import docker.errors

    if registry is None:
        return {}
    try:
        host = registry.partition("/")[0]
        found = docker.auth.load_config().resolve_authconfig(host)
    except docker.errors.DockerException as error:
        raise EngineError(
            f"the login at {registry} cannot be read: {error}; do it anew with `docker login "
            f"{registry}`"
        ) from error
    if not found:
        return {}
    return {"X-Registry-Auth": docker.auth.encode_header(found).decode()}


def remember_login(registry: str, user: str, password: str) -> None:
    """Write down a login as ``docker login`` does, in this user's own settings of Docker."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    path = folder / "config.json"
    try:
        said = json.loads(path.read_text()) if path.exists() else {}
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        said.setdefault("auths", {})[registry] = {"auth": login}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, json.dumps(said, indent="\t"), mode=_MODE)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise EngineError(
            f"the login at {registry} cannot be written to {path}: {error}; mend that file"
        ) from error
