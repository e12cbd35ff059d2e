"""Ids of an ordinary user's own, with which images have files of several owners."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.engines.namespaces.images import subordinate_ids
from tests.ordinary import NOBODY, ordinary_user

# Of one static program: a user of its own, a file of another, and a server.
DOCKERFILE = """
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox --install /bin; touch /kept; chown 500:600 /kept"]
USER 501
EXPOSE 8080
CMD ["httpd", "-f", "-p", "8080", "-h", "/bin"]
"""

SCRIPT = """
import os, sys
os.environ["XDG_DATA_HOME"] = FOLDER
web, h1 = Host("web", build=FOLDER + "/build"), Host("h1")
link = Link(web, h1)
with Lab(web, name="ids", quiet=len(sys.argv) > 1):
    print(h1.run("curl -s -o /dev/null -w '%{http_code}' http://web:8080/busybox").stdout)
    print(web.run("id -u; stat -c %u:%g /kept; stat -c %u /bin").stdout.split())
    print(web.run("touch /kept", check=False).returncode, h1.ping(web, count=1).received)
"""


@pytest.fixture
def account() -> Iterator[int]:
    """Make an account as adduser(8) makes one, with ids of its own; return its user id."""
    if os.geteuid() != 0:
        pytest.skip("only root can make an account")
    missing = [name for name in ("newuidmap", "buildah") if shutil.which(name) is None]
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"apt-get install uidmap buildah: there is no {missing[0]} here")
    name = f"playground-{os.getpid()}"
    subprocess.run(["useradd", "--no-create-home", "--user-group", name], check=True)
    try:
        yield pwd.getpwnam(name).pw_uid
    finally:
        subprocess.run(["userdel", name], check=True)


def test_an_ordinary_user_has_hosts_of_an_image(account: int) -> None:
    with (
        ordinary_user("namespaces", uid=account) as run,
        tempfile.TemporaryDirectory() as folder,
    ):
        build = Path(folder, "build")
        build.mkdir()
        shutil.copy("/bin/busybox", build / "busybox")
        (build / "Dockerfile").write_text(DOCKERFILE)
        for path in (Path(folder), build):
            os.chown(path, account, account)
        said = run(SCRIPT.replace("FOLDER", repr(folder))).stdout.splitlines()
        assert said == ["200", "['501', '500:600', '0']", "1 1"]
        kept = next(Path(folder, "playground").rglob("kept"))
        first, _ = _range(account)
        assert kept.stat().st_uid == first + 499


def _range(uid: int) -> tuple[int, int]:
    name = pwd.getpwuid(uid).pw_name
    rows = [line.split(":") for line in Path("/etc/subuid").read_text().splitlines()]
    return next((int(row[1]), int(row[2])) for row in rows if row[0] == name)


def test_both_ways_into_such_a_namespace_map_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"/etc/subuid": 100000, "/etc/subgid": 200000}
    monkeypatch.setattr(subordinate_ids, "_range", lambda path, uid: found[path])
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    users, groups = subordinate_ids.mappers(1000, 1001, 7)
    assert users == ["/usr/bin/newuidmap", "7", "0", "1000", "1", "1", "100000", "65535"]
    assert groups == ["/usr/bin/newgidmap", "7", "0", "1001", "1", "1", "200000", "65535"]
    assert subordinate_ids.unshare_options()[2:] == [
        "--map-users=100000,1,65535",
        "--map-groups=200000,1,65535",
    ]


def test_without_a_range_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert subordinate_ids.mappers(NOBODY, NOBODY, 7) == []
