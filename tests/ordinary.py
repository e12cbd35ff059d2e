"""An ordinary user of this machine: who has no name, no capability and no power over labs.

Only root can become one.

"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

import playground

NOBODY = 65533
LIMIT_S = 120

# Where packages lie that a lab of plain hosts imports, if not in a readable place.
_LEFT_OUT = shutil.ignore_patterns(
    "mypy*", "ruff*", "jupyter*", "notebook*", "*.dist-info", "tests"
)


@contextmanager
def ordinary_user(
    engine: str, groups: Sequence[int] = (), uid: int = NOBODY
) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Return what runs a script as an ordinary user, a member of these groups.

    Of its arguments ``before`` is called in the child, as root still, and ``check``
    is whether the script has to end well.

    """
    if os.geteuid() != 0:
        pytest.skip("only root can become an ordinary user")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        interpreter, path = _readable(Path(folder))

        def run(
            script: str, before: Callable[[], None] | None = None, check: bool = True
        ) -> subprocess.CompletedProcess[str]:
            def become() -> None:
                if before is not None:
                    before()
                become_ordinary(groups, uid)

            # A file, so that the source of its functions is found.
            file = Path(folder, "script.py")
            file.write_text("from playground import *\n" + script)
            file.chmod(0o644)
            done = subprocess.run(
                [interpreter, str(file)],
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": folder,
                    "PYTHONPATH": os.pathsep.join(path),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "PLAYGROUND_ENGINE": engine,
                },
                cwd="/",
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                preexec_fn=become,
                check=False,
            )
            if check:
                assert done.returncode == 0, done.stderr
            return done

        yield run


def become_ordinary(groups: Sequence[int] = (), uid: int = NOBODY) -> None:
    os.setgroups(list(groups))
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _readable(folder: Path) -> tuple[str, list[str]]:
    """An interpreter and a path of packages that everybody may read."""
    package = Path(playground.__file__).parent
    places = [package.parent, *(Path(entry) for entry in sys.path if "site-packages" in entry)]
    for candidate in (sys.executable, "/usr/bin/python3"):
        if _version(candidate) == str(sys.version_info[:2]):
            break
    else:
        pytest.fail("there is no interpreter of this version that an ordinary user may run")
    if all(_everybody_reads(place) for place in places):
        return candidate, [str(place) for place in places]
    shutil.copytree(package, folder / "playground", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(package.parent / "images", folder / "images")
    for place in places[1:]:
        shutil.copytree(place, folder / "packages", ignore=_LEFT_OUT, dirs_exist_ok=True)
    return candidate, [str(folder), str(folder / "packages")]


def _version(interpreter: str) -> str:
    """The version that an ordinary user finds this interpreter to be, "" for none."""
    code = "import sys; print(sys.version_info[:2])"
    try:
        said = subprocess.run(
            [interpreter, "-c", code],
            cwd="/",
            capture_output=True,
            text=True,
            preexec_fn=become_ordinary,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said.stdout.strip()


def _everybody_reads(place: Path) -> bool:
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in (place, *place.parents))


# A server at a port that is root's, a client, and a socket that only root may open.
USES_SOCKETS = """
import http.server, socket, threading, urllib.request

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.client_address[0].encode())

h1, h2 = Host("h1"), Host("h2")
Link(h1, h2, subnet="10.9.0.0/24")
with Lab(h1, quiet=True):
    with h1.sockets():
        server = http.server.HTTPServer(("", 80), Handler)  # a port that is root's
        thread = threading.Thread(target=server.handle_request)
        thread.start()
    with h2.sockets():
        print(urllib.request.urlopen("http://h1/").read().decode())
    thread.join()
    server.server_close()
    with h1.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as line:
        print(line.type.name)
"""
