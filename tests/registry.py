"""A registry of Debian's docker-registry on this machine's loopback, for the time of some tests."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import bcrypt

# Images in it are not worth a stronger one.
NAME, PASSWORD = "student", "secret"


def there_is_one() -> bool:
    return shutil.which("docker-registry") is not None


@contextlib.contextmanager
def running_registry(folder: Path, *, with_login: bool = False) -> Iterator[str]:
    """Run a registry whose images are in a folder; yield its address, "127.0.0.1:41234"."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    settings = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
        "http": {"addr": address},
        "log": {"level": "error"},
    }
    if with_login:
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        (folder / "htpasswd").write_text(f"{NAME}:{hashed}\n")
        settings["auth"] = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    path = folder / f"registry-{with_login}.json"  # JSON is YAML
    path.write_text(json.dumps(settings))
    with subprocess.Popen(
        ["docker-registry", "serve", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            _wait(address, process)
            yield address
        finally:
            process.terminate()


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
            return
        assert process.poll() is None and time.monotonic() < deadline, "no registry has started"
        time.sleep(0.02)
