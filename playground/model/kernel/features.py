"""Features that a kernel may lack, the module that brings each, and what does not work without.

This table is the one place that knows: a lab is refused by it before anything is made,
`playground doctor` asks for all of it, and so do tests that need a feature.

"""

from __future__ import annotations

from collections.abc import Iterable

from playground.model.records import dataclass

# What a kernel says of a congestion control that it has, and that no host may choose: tcp(7).
KEPT = "kept"
_ALLOWED = "net.ipv4.tcp_allowed_congestion_control"


@dataclass(frozen=True)
class KernelFeature:
    """A feature by the ``name`` that the kernel itself has for it.

    ``kind`` says how the kernel is asked for it: "link" for a kind of interface (ip-link(8)),
    "queue" for a queueing discipline (tc(8)), "congestion" for a congestion control (tcp(7)),
    "mpls" for that.
    ``module`` is what modprobe(8) loads, ``option`` its name in a kernel's configuration, and
    ``needed_for`` a few words on what a lab does with it.

    """

    name: str
    kind: str
    module: str
    option: str
    needed_for: str

    @property
    def trial(self) -> tuple[str, str]:
        """What the agent tries: the kind, and the name to ask for."""
        return self.kind, self.name

    def lacking(self, said: str | None = None) -> str:
        """Return what a kernel has in its place; ``said`` is its answer to the trial.

        >>> FEATURES["gre"].lacking()
        'no ip_gre (CONFIG_NET_IPGRE), which tunnels of kind "gre" are made by'

        """
        if said == KEPT:
            return f"{self.name} for programs of the machine alone ({_ALLOWED})"
        return f"no {self.module} ({self.option}), which {self.needed_for}"


_ROWS = (
    KernelFeature("vxlan", "link", "vxlan", "CONFIG_VXLAN", 'tunnels of kind "vxlan" are made by'),
    KernelFeature("gre", "link", "ip_gre", "CONFIG_NET_IPGRE", 'tunnels of kind "gre" are made by'),
    KernelFeature("ipip", "link", "ipip", "CONFIG_NET_IPIP", 'tunnels of kind "ipip" are made by'),
    KernelFeature("sit", "link", "sit", "CONFIG_IPV6_SIT", 'tunnels of kind "sit" are made by'),
    KernelFeature(
        "wireguard",
        "link",
        "wireguard",
        "CONFIG_WIREGUARD",
        'tunnels of kind "wireguard" are made by; wireguard-go stands in for it',
    ),
    KernelFeature("vrf", "link", "vrf", "CONFIG_NET_VRF", "a router's VRFs are made by"),
    KernelFeature("bond", "link", "bonding", "CONFIG_BONDING", "bonds are made by"),
    KernelFeature("mpls", "mpls", "mpls_router", "CONFIG_MPLS_ROUTING", "labels of MPLS need"),
    KernelFeature(
        "vlan",
        "link",
        "8021q",
        "CONFIG_VLAN_8021Q",
        "tags of VLANs, and tags upon them (QinQ), are made by; small programs stand in for it",
    ),
    *(
        KernelFeature(
            kind,
            "queue",
            f"sch_{kind}",
            f"CONFIG_NET_SCH_{kind.upper()}",
            f'{what} "{kind}" are made by',
        )
        for what, kinds in (
            ("classes of traffic by", ("htb", "hfsc")),
            ("queues of kind", ("fq_codel", "pie", "red", "sfq", "cake")),
        )
        for kind in kinds
    ),
    *(
        KernelFeature(
            name,
            "congestion",
            f"tcp_{name}",
            f"CONFIG_TCP_CONG_{name.upper()}",
            f'congestion control "{name}" is done by',
        )
        for name in ("cubic", "bbr", "vegas", "dctcp")
    ),
    KernelFeature("netem", "queue", "sch_netem", "CONFIG_NET_SCH_NETEM", "exact delays need"),
)

# By name, in the order in which they are shown.
FEATURES = {row.name: row for row in _ROWS}

_ADVICE = (
    "load or install the modules as root, on the machine whose kernel it is: modprobe {modules} "
    "(Ubuntu has them in linux-modules-extra-$(uname -r)), or use a machine with an ordinary "
    "kernel of Debian's"
)
_ALLOW = (
    "let all choose among its congestion controls, as root, on the machine whose kernel it is: "
    f'sysctl -w {_ALLOWED}="$(sysctl -n net.ipv4.tcp_available_congestion_control)"'
)


def advice(names: Iterable[str], kept: Iterable[str] = ()) -> str:
    """Return what to do where a kernel lacks these features, or has ``kept`` some for itself.

    >>> advice(["gre", "vrf"]).partition(" (")[0]
    'load or install the modules as root, on the machine whose kernel it is: modprobe ip_gre vrf'

    """
    kept = list(kept)
    modules = [FEATURES[name].module for name in names if name not in kept]
    parts = [_ADVICE.format(modules=" ".join(dict.fromkeys(modules)))] if modules else []
    return "; ".join([*parts, *([_ALLOW] if kept else [])])
