"""Files that all hosts of a lab have in common: seen by each, changed by none, one copy of them."""

from __future__ import annotations

from playground import Host, Lab, Link, Switch
from playground.engines.namespaces.engine import NamespacesEngine

KNOWN = "/run/playground/ssh_known_hosts"


def test_hosts_see_the_same_known_keys_and_cannot_change_them(
    namespaces_engine: NamespacesEngine,
) -> None:
    lan, h1, h2 = Switch("lan"), Host("h1"), Host("h2", workdir="/tmp")
    Link(lan, h1)
    Link(lan, h2)
    # Root of a host may take a lease on what it may read, for which who writes would wait.
    lease = f"import fcntl, os; fcntl.fcntl(os.open('{KNOWN}', 0), fcntl.F_SETLEASE, 0); input()"
    with Lab(lan, engine=namespaces_engine) as lab:
        before = h1.run(["cat", KNOWN]).stdout
        assert [line.split(",")[0] for line in before.splitlines()] == ["h1", "h2"]
        places = [host.run(["stat", "-L", "-c", "%d %i %a", KNOWN]).stdout for host in (h1, h2)]
        assert places[0] == places[1]
        refused = f"echo mine >> {KNOWN} || umount {KNOWN} || mount -o remount,rw {KNOWN}"
        for name in ("common/mine", "common/ssh_known_hosts"):
            refused += f" || rm /run/playground/{name} || touch /run/playground/{name}"
        assert "Read-only" in h1.run(["sh", "-c", refused], check=False).stderr
        holds = h1.start(["python3", "-c", lease])
        h3 = Host("h3")
        Link(lan, h3)
        lab.start()
        holds.terminate()
        after = h2.run(["cat", KNOWN]).stdout
        assert after.startswith(before)
        assert "h3" in after
        assert {host.run(["cat", KNOWN]).stdout for host in (h1, h2, h3)} == {after}
