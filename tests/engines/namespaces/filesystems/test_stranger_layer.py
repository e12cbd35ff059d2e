"""Files closed on the machine are closed to hosts, whenever they came to be there."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground import Host, Lab, Link
from playground.engines.namespaces.engine import NamespacesEngine
from tests.support_agent import needs_root

FOLDERS = ("/usr/local/lib", "/opt", "/etc", "/usr/share", "/var/lib/dpkg", "")


@contextlib.contextmanager
def planted(name: str) -> Iterator[list[str]]:
    """Make folders with a closed file, an open one, and a closed folder in all of the machine."""
    made = [f"{folder}/playground-{name}-{os.getpid()}" for folder in FOLDERS]
    try:
        for folder in made:
            for path, mode in (("closed", 0o600), ("open", 0o644), ("shut/open", 0o644)):
                file = Path(folder, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(f"{path} {name}")
                file.chmod(mode)
            Path(folder, "shut").chmod(0o700)
        yield made
    finally:
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)


def test_no_closed_file_of_the_machine_is_read(namespaces_engine: NamespacesEngine) -> None:
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    lab = Lab(h1, name=f"closed-{os.getpid()}", engine=namespaces_engine, quiet=True)
    with planted("before") as before, lab, planted("later") as later:
        for folder in (*before, *later):
            for path in ("closed", "shut/open"):
                read = h1.run(["cat", f"{folder}/{path}"], check=False)
                assert (read.ok, read.stdout) == (False, "")
        # Of the top, and of all that was hidden when the lab began, nothing is there.
        assert h1.read(f"{before[0]}/open") == "open before"
        assert h1.read(f"{later[0]}/open") == "open later"
        for change in ("chmod 644", "cp", "mv"):
            where = [f"{later[0]}/moved"] * (change != "chmod 644")
            assert not h1.run([*change.split(), f"{later[0]}/closed", *where], check=False).ok


def test_packages_can_be_installed_all_the_same(namespaces_engine: NamespacesEngine) -> None:
    """Although the locks of dpkg are closed to others."""
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    with Lab(h1, name=f"locks-{os.getpid()}", engine=namespaces_engine, quiet=True):
        if not h1.run("command -v dpkg", check=False).ok:
            pytest.skip("no dpkg here")
        assert h1.run("dpkg --configure -a", check=False).ok


# In a mount namespace of its own: a machine in a folder, or in an overlay of one, shown to a
# host whose root reads what is closed and what is open.
LOOK = """
import ctypes, json, os, sys
from playground.engines.namespaces.filesystems import machine_layer
from playground.engines.namespaces.filesystems import mounts
from playground.engines.namespaces.filesystems import stranger_layer

place, deep = json.loads(sys.argv[1])
libc = ctypes.CDLL(None)
assert libc.unshare(0x20000) == 0
mounts.mount("", "/", "", mounts.MS_REC | mounts.MS_PRIVATE)
mounts.mount("tmpfs", place, "tmpfs")
for name in ("fresh", "hidden", "root", "upper", "work", "machine", "above", "work2", "host"):
    os.mkdir(f"{place}/{name}")
for name, mode in (("closed", 0o600), ("open", 0o644)):
    with open(f"{place}/root/{name}", "w") as file:
        file.write(name)
    os.chmod(file.name, mode)
machine = f"{place}/root"
if deep:
    options = f"lowerdir={machine},upperdir={place}/upper,workdir={place}/work"
    machine = f"{place}/machine"
    mounts.mount("overlay", machine, "overlay", 0, options)
machine_layer.LAYERS = (f"{place}/fresh", f"{place}/hidden")
stranger_layer._PLACE, stranger_layer._NOTHING = f"{place}/shown", f"{place}/nothing"
overlays = {"/": [*machine_layer.LAYERS, machine]}
stranger_layer.show(overlays)
layers = stranger_layer.shown(overlays)["/"]
options = mounts.overlay_options(layers) + f",upperdir={place}/above,workdir={place}/work2"
mounts.mount("overlay", f"{place}/host", "overlay", 0, options)
closed = {"/closed": [*machine_layer.LAYERS, f"{place}/shut/in"]}
os.makedirs(f"{place}/shut/in")
os.chmod(f"{place}/shut", 0o700)
stranger_layer._PLACE, stranger_layer._NOTHING = f"{place}/shown2", f"{place}/nothing2"
stranger_layer.show(closed)
assert stranger_layer.shown(closed) == {}
said = {}
for name in ("closed", "open"):
    try:
        said[name] = open(f"{place}/host/{name}").read()
    except PermissionError:
        said[name] = "refused"
print(json.dumps([said, os.geteuid(), layers == overlays["/"]]))
"""


@needs_root
@pytest.mark.parametrize("deep", [False, True], ids=["a folder", "an overlay"])
def test_a_root_is_shown_as_a_stranger_sees_it_where_the_kernel_has_room(
    deep: bool,
) -> None:
    # A stranger does not come into the folders of pytest.
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        os.chmod(place, 0o755)
        argument = json.dumps([place, deep])
        done = subprocess.run(
            [sys.executable, "-c", LOOK, argument], capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    closed = "closed" if deep else "refused"
    assert json.loads(done.stdout) == [{"closed": closed, "open": "open"}, 0, deep]
