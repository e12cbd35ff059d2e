"""The doctor's look at bare namespaces on this machine, for `playground doctor`.

As `frontends.doctor` does for Docker: everything that a lab depends on is looked
at, a host is really made, and nothing is left behind.

"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping

from playground.agent.watching.capture_filters import load_libpcap
from playground.engines import owners
from playground.engines.images import built_layers, image_for
from playground.engines.namespaces import cgroups
from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.namespaces.filesystems.root_filesystem import DEFAULT_PATH
from playground.engines.namespaces.images.image_roots import ImageRoots, may_make_images
from playground.engines.namespaces.privileges import is_root
from playground.engines.seam import LabLabels, NodeContainer
from playground.errors import AgentError, EngineError, ImageError
from playground.frontends.doctor_finding import Finding
from playground.model.impairment import WITHOUT_NETEM, Impairment
from playground.model.kernel.features import FEATURES, KEPT, advice
from playground.model.services.table import SERVICES
from playground.model.vlans import WITHOUT_8021Q, WITHOUT_FILTERING
from playground.operations.connection.client import Client


def examine() -> Iterator[Finding]:
    """Yield what was found, the engine itself first."""
    first, *others = _engine()
    yield first
    if first.status == "fail":
        return
    yield from others
    yield from _tools()
    yield _captures()
    yield from _limits()
    yield from _images()


def _engine() -> Iterator[Finding]:
    name = "namespaces"
    lab = LabLabels(
        f"doctor-{secrets.token_hex(4)}",
        "doctor",
        owners.own_name(),
        mark=owners.own_mark(),
    )
    engine = NamespacesEngine()
    begin = time.monotonic()
    try:
        engine.check()
        guard = engine.guard(lab)
        try:
            engine.start_nodes(lab, [NodeContainer("trial", "trial", None)])
            took_ms = 1000 * (time.monotonic() - begin)
            with Client(engine.start_helper(lab)) as agent:
                agent.hello()
                ways = [_impair(agent), _vlans(agent), _features(agent)]
        finally:
            engine.stop(lab.id)
            guard.release()
    except EngineError as error:
        yield Finding(name, "fail", "no host can be made of bare namespaces", str(error))
        return
    who = "root" if is_root() else "an ordinary user: no limits"
    if not may_make_images():
        who += ", and no images or services, for want of a range of ids in /etc/subuid (uidmap)"
    yield Finding(name, "ok", f"a host was made and removed in {took_ms:.0f} ms, as {who}")
    yield from ways


def _impair(agent: Client) -> Finding:
    """Try to delay frames, on the loopback interface of the lab's own namespace."""
    name = "impaired links"
    direction = {
        "pid": None,
        "interface": "lo",
        "watch": None,
        "impairment": Impairment(delay_ms=1).request(mtu_bytes=1500),
        "before": None,
    }
    try:
        [[way]] = agent.call("impair", directions=[direction])
    except AgentError as error:
        return Finding(name, "warn", f"links cannot be given delay: {error}", _NETEM)
    if way == "netem":
        return Finding(name, "ok", "the kernel's netem impairs links")
    return Finding(name, "warn", f"this kernel has no netem: {WITHOUT_NETEM}", _NETEM)


def _vlans(agent: Client) -> Finding:
    """Try to tell VLANs apart, in a network namespace that is gone again."""
    name = "VLANs"
    try:
        ways = agent.call("vlan_ways")
    except AgentError as error:
        return Finding(name, "warn", f"switches cannot tell VLANs apart: {error}", _VLANS)
    lacking = [
        sentence
        for way, sentence in (("8021q", WITHOUT_8021Q), ("filtering", WITHOUT_FILTERING))
        if way not in ways
    ]
    if not lacking:
        return Finding(name, "ok", "the kernel's own (8021q, VLAN filtering of bridges)")
    detail = f"work without some of the kernel's own: {'; '.join(lacking)}"
    return Finding(name, "ok", detail)


def _features(agent: Client) -> Finding:
    """Ask the kernel for all that some declaration needs."""
    lacks = agent.call("kernel_lacks", trials=[row.trial for row in FEATURES.values()])
    return features_finding(dict(zip(FEATURES, lacks, strict=True)))


def features_finding(lacks: Mapping[str, str | None]) -> Finding:
    """Say which features of `model.kernel.features` a kernel has; ``lacks`` says why not."""
    name = "kernel modules"
    lacking = [row for row in FEATURES.values() if lacks.get(row.name) is not None]
    has = [row.name for row in FEATURES.values() if row not in lacking]
    if not lacking:
        return Finding(name, "ok", f"this kernel has {', '.join(has)}")
    detail = f"this kernel has {', '.join(has) or 'none of them'}; it has "
    detail += "; ".join(row.lacking(lacks[row.name]) for row in lacking)
    kept = [row.name for row in lacking if lacks[row.name] == KEPT]
    return Finding(name, "warn", detail, advice((row.name for row in lacking), kept))


_VLANS = "run as root, or load or install the module 8021q, on a kernel with VLAN filtering"
_NETEM = "load or install the module sch_netem, where exact delays matter"


# The programs of the machine that a lab uses: the package of each, and its purpose.
# scripts/setup installs them all.
TOOLS = {
    "ip": ("iproute2", "looking at addresses and routes on hosts without services"),
    "ping": ("iputils-ping", "ping from hosts without services"),
    "traceroute": ("traceroute", "traceroute from hosts without services"),
    "curl": ("curl", "fetching pages from hosts without services"),
    "tcpdump": ("tcpdump", "tcpdump on hosts without services"),
    "sysctl": ("procps", "sysctl on hosts without services, and what lab.as_shell() writes"),
    "nc": ("netcat-openbsd", "ssh(to=...) from hosts without services"),
    "nft": ("nftables", "firewalls, and routers that translate addresses"),
}


def _tools() -> Iterator[Finding]:
    missing = [name for name in TOOLS if shutil.which(name, path=DEFAULT_PATH) is None]
    if not missing:
        yield Finding("tools", "ok", f"this machine has {', '.join(TOOLS)}")
        return
    uses = "; ".join(f"{name}: {TOOLS[name][1]}" for name in missing)
    packages = " ".join(TOOLS[name][0] for name in missing)
    yield Finding("tools", "warn", f"not installed: {uses}", f"apt-get install {packages}")


def _captures() -> Finding:
    try:
        load_libpcap()
    except OSError:
        without = "without libpcap they have no filters"
        return Finding("captures", "warn", without, "apt-get install libpcap0.8")
    return Finding("captures", "ok", "libpcap compiles their filters")


def _limits() -> Iterator[Finding]:
    if not is_root():
        return
    wanted = {"memory_mb": 64.0, "cpus": 0.5, "processes": 100.0}
    reasons = {name: cgroups.refusal({name: value}) for name, value in wanted.items()}
    refused = [reason for reason in reasons.values() if reason is not None]
    if refused:
        yield Finding("limits of hosts", "warn", "; ".join(refused), "leave those limits out")
    else:
        yield Finding("limits of hosts", "ok", f"the kernel holds {', '.join(wanted)}")


def _images() -> Iterator[Finding]:
    if not may_make_images():
        return
    roots = ImageRoots()
    built = built_layers(roots.tags())
    missing = [name for name, row in SERVICES.items() if (row.layer or "base") not in built]
    for name in missing.copy():
        # Docker may have it.
        with contextlib.suppress(ImageError):
            roots.find(image_for([name]).tag)
            missing.remove(name)
    if not missing:
        yield Finding("images", "ok", f"those of all {len(SERVICES)} services are here")
        return
    detail = f"not built yet, for {', '.join(missing)}; what a lab needs is built when it starts"
    advice = "run `playground --engine namespaces build` to have it done"
    if (
        shutil.which("buildah", path=DEFAULT_PATH) is None
        and shutil.which("dockerd", path=DEFAULT_PATH) is None
    ):
        advice = "apt-get install buildah netavark mmdebstrap: hosts with services need them"
    yield Finding("images", "warn", detail, advice)
