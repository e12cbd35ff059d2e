"""From a plan and credentials to what each host gets: files, accounts, programs.

`provision` decides and does nothing: it is a function of its two arguments (and
of the directories that ``HTTP(files=...)`` and ``FTP(files=...)`` name, read
here).  The same arguments give the same result again, so that a lab that grows
writes only what is new.

"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from playground.lab.credentials import Credentials
from playground.lab.declared_files import declared_files
from playground.model.addresses import Address
from playground.model.containers.own_service import TLS_FILES, Service
from playground.model.services.mail import SMTP, mail_domain
from playground.model.services.settings import (
    File,
    Probe,
    ServiceContext,
    ServiceRow,
    ServiceSettings,
)
from playground.model.services.table import SERVICES, row_of
from playground.planning.dhcp_networks import server_lines
from playground.planning.host_files import HostsTexts, resolver_text
from playground.planning.ipv6 import delegation, dhcpv6
from playground.planning.links.wireguard import wireguard_texts
from playground.planning.names.zone_texts import (
    root_hints,
    serial_probe,
    served_zones,
    trust_anchors,
)
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import RecordPlan

# A file system in memory, where a file costs a fiftieth of what it does in an
# overlay: 0.01 instead of 0.5 ms.  The images' own settings lead there.
_PLACE = "/run/playground"

# Debian's first uid for people, adduser.conf(5).
_FIRST_UID = 1000


class Account(NamedTuple):
    """A user of a host.  For root only the password counts."""

    name: str
    password: str
    uid: int
    groups: tuple[str, ...] = ()
    shell: str = "/bin/bash"

    def request(self, hashes: Mapping[str, str]) -> dict[str, Any]:
        """Return the user as the agent's ``accounts`` operation takes it.

        ``hashes`` maps passwords to their hashes, from ``hash_passwords``.

        """
        return {
            "name": self.name,
            "password_hash": hashes[self.password],
            "uid": self.uid,
            "groups": list(self.groups),
            "shell": self.shell,
        }


class Check(NamedTuple):
    """One question whose answer says that a service of a node is ready.

    Without a ``probe`` it is a user's own, which says itself how that is seen:
    `operations.nodes.services`.

    """

    node: str
    service: str
    probe: Probe | None

    def request(self, pid: int) -> dict[str, Any]:
        """Return the check as the agent's ``wait_ready`` operation takes it."""
        assert self.probe is not None
        send = self.probe.send
        return {
            "pid": pid,
            "node": self.node,
            "service": self.service,
            "port": self.probe.port,
            "protocol": self.probe.protocol,
            "tls": self.probe.tls,
            "send": None if send is None else base64.b64encode(send).decode(),
            "expect": self.probe.expect,
            "other_port": self.probe.other_port,
        }


class NodeProvision(NamedTuple):
    """All that one host or router gets once it is wired, in this order.

    ``users`` first (their homes come from the image's /etc/skel), then
    ``files``, then the ``programs`` are booted, then the ``checks`` answer.

    """

    files: tuple[File, ...]
    users: tuple[Account, ...]
    programs: tuple[str, ...]
    checks: tuple[Check, ...]
    # Whether its image is the user's alone, and may lack what ours have.
    strange: bool = False


def provision(
    plan: Plan, credentials: Credentials, copies_volumes: bool = False, shares_files: bool = False
) -> dict[str, NodeProvision]:
    """Return what each node of a plan gets, by the node's full name.

    With ``copies_volumes`` what is in volumes is written, for the engine cannot show them.
    With ``shares_files`` hosts see the known keys where the lab keeps them.

    Raises `TopologyError` where a service's settings do not fit the lab: a
    mailbox of somebody who is no user, files that cannot be read.

    """
    keys = _known_hosts(plan, credentials)
    known_hosts = File(f"{_PLACE}/ssh_known_hosts", keys, common=shares_files)
    users = _users(credentials)
    mail = _mail_domains(plan)
    # Files that many nodes have are made once: all of them share the same object.
    trust = _trust(plan, credentials)
    hosts = HostsTexts()
    return {
        node.name: NodeProvision(
            files=(
                *_beside_volumes(
                    node,
                    *_where_it_can_be(
                        node,
                        *_identity(node, hosts),
                        *trust,
                        *_secure_shell(node, credentials, known_hosts, users),
                    ),
                    *_service_files(node, plan, credentials, mail, users),
                ),
                *declared_files(node, copies_volumes),
            ),
            users=users,
            programs=tuple(
                dict.fromkeys(program for row in _rows(node) for program in row.programs)
            ),
            checks=_checks(node, plan),
            strange=_is_strange(node),
        )
        for node in plan.nodes
    }


def _is_strange(node: NodePlan) -> bool:
    # Where services are, our base is below them.
    return node.container.source is not None and not node.daemons


def _where_it_can_be(node: NodePlan, *files: File) -> Iterable[File]:
    """Return files of the lab's own; an image of the user's may have no place for them."""
    return (file._replace(optional=True) for file in files) if _is_strange(node) else files


def _beside_volumes(node: NodePlan, *files: File) -> Iterable[File]:
    """Return files of the lab's own but those in a volume, where the user's stand instead."""
    return (file for file in files if node.container.volume_at(file.path) is None)


def lab_accounts(credentials: Credentials) -> list[dict[str, Any]]:
    """Return the accounts of a lab's nodes as an engine takes them."""
    return [account._asdict() for account in _users(credentials)]


def _users(credentials: Credentials) -> tuple[Account, ...]:
    return (
        Account("root", credentials.root_password, 0),
        *(
            Account(name, password, _FIRST_UID + number, ("sudo",))
            for number, (name, password) in enumerate(credentials.users.items())
        ),
    )


def _checks(node: NodePlan, plan: Plan) -> tuple[Check, ...]:
    # Services may share programs, as those of routing share zebra: each port is asked once.
    first: dict[Probe, Check] = {}
    for row in _rows(node):
        for probe in () if row.readiness else row.probes:
            first.setdefault(probe, Check(node.name, row.name, serial_probe(plan, probe)))
    own = (Check(node.name, row.name, None) for row in _rows(node) if row.readiness)
    return (*first.values(), *own)


def _rows(node: NodePlan) -> list[ServiceRow]:
    if not node.services:
        return []
    ours = {item.service: row_of(item) for item in node.services if not item.is_own}
    rows = [ours[name] for name in SERVICES if name in ours]
    return rows + [row_of(settings) for settings in node.services if settings.is_own]


# ------------------------------------------------------------ who it is


def _identity(node: NodePlan, hosts: HostsTexts) -> tuple[File, ...]:
    return (
        File("/etc/hostname", f"{node.hostname}\n".encode()),
        File("/etc/hosts", hosts.of(node)),
        File("/etc/resolv.conf", resolver_text(node).encode()),
    )


def _addresses(node: NodePlan) -> list[Address]:
    found = dict.fromkeys(
        address.ip for interface in node.interfaces for address in interface.addresses
    )
    return list(found)


# ---------------------------------------------------- whom it trusts, and how


def _trust(plan: Plan, credentials: Credentials) -> tuple[File, ...]:
    # Where no server has a certificate, nobody waits for the making of an authority.
    if not any(row.tls for node in plan.nodes for row in _rows(node)):
        return ()
    authority = credentials.ca_certificate_pem.encode()
    return (
        # Where a link in /etc/ssl/certs leads, for OpenSSL ...
        File(f"{_PLACE}/ca.pem", authority),
        # ... and where curl, wget, requests and httpx look.
        File("/etc/ssl/certs/ca-certificates.crt", authority, append=True),
    )


def _secure_shell(
    node: NodePlan, credentials: Credentials, known_hosts: File, users: Iterable[Account]
) -> tuple[File, ...]:
    private, public = credentials.host_key(node.name)
    allowed = f"{credentials.ssh_public_key}\n".encode()
    key = credentials.ssh_private_key.encode()
    return (
        File(f"{_PLACE}/ssh_host_ed25519_key", private.encode(), 0o600),
        File(f"{_PLACE}/ssh_host_ed25519_key.pub", f"{public}\n".encode()),
        known_hosts,
        File(f"{_PLACE}/authorized_keys", allowed),
        # ssh takes no key that others may read, so each has their own.
        *(File(f"{_PLACE}/keys/{user.name}", key, 0o600, user.uid, user.uid) for user in users),
    )


def _known_hosts(plan: Plan, credentials: Credentials) -> bytes:
    """Every node's key under all of its names and addresses: sshd(8).

    An address that two homes both use has a line for each; ssh takes either.

    """
    lines = []
    for node in plan.nodes:
        names = dict.fromkeys((node.name, node.short, *map(str, _addresses(node))))
        kind, key, *_ = credentials.host_key(node.name)[1].split()
        lines.append(f"{','.join(names)} {kind} {key}\n")
    return "".join(lines).encode()


# ----------------------------------------------------------------- services


def _service_files(
    node: NodePlan,
    plan: Plan,
    credentials: Credentials,
    mail: Mapping[str, tuple[str, ...]],
    users: Iterable[Account],
) -> tuple[File, ...]:
    rows = _rows(node)
    if not rows:
        return ()
    files: list[File] = []
    if any(row.tls for row in rows):
        # A user's own is a program itself, that the lab's supervisor runs.
        readers = tuple(
            program for row in rows if row.tls for program in row.programs or (row.name,)
        )
        files += [
            file._replace(programs=readers)
            for file in _certificate(node, plan, credentials, mail.get(node.name, ()))
        ]
    own = mail.get(node.name, ())
    context = ServiceContext(
        name=node.name,
        short=node.short,
        wireguard=tuple(wireguard_texts(plan, node, credentials.wireguard_keys)),
        users={user.name: user.uid for user in users if user.uid},
        records=tuple((record.name, record.type, record.data) for record in node.records),
        mail_domains=own,
        mail_routes={
            domain: host
            for host, domains in mail.items()
            for domain in domains
            if domain not in own
        },
        by_mx=bool(node.nameservers),
        dhcp=server_lines(plan, node),
        addresses=tuple(map(str, _addresses(node))),
        peers={entry.names[0]: str(entry.address) for entry in node.peers},
        **_tree(node, plan, credentials),
        dhcpv6=dhcpv6.server_lines(plan, node),
        delegated=delegation.kea_text(plan, node),
    )
    files += [
        key._replace(path=item.key_file, mode=0o400, uid=item.user.partition(":")[0])
        for item in node.services
        if isinstance(item, Service) and item.tls and item.user is not None
        for key in files
        if key.path == TLS_FILES["TLS_KEY_FILE"]
    ]
    for row in rows:
        files += [
            file if file.programs else file._replace(programs=row.programs)
            for file in row.configure(_settings(node, row), context)
        ]
    return tuple(files)


def _tree(node: NodePlan, plan: Plan, credentials: Credentials) -> dict[str, Any]:
    """Return what a server of zones, or a resolver, is told of the lab's tree of names."""
    if not plan.zones or not node.daemons & {"zones", "resolver"}:
        return {}

    def keys_of(zone: str) -> tuple[Mapping[str, str], list[str]]:
        keys = credentials.zone_keys(zone)
        return keys.files, [keys.ds_record]

    return {
        "zones": tuple(served_zones(plan, node, keys_of)),
        "root_hints": root_hints(plan),
        "trust_anchors": trust_anchors(plan, keys_of),
        "zone_serials": tuple(f"{zone.name} {zone.serial}" for zone in plan.zones),
    }


def _settings(node: NodePlan, row: ServiceRow) -> ServiceSettings:
    for settings in node.services:
        if settings.service == row.name:
            return settings
    return row.settings()


def _certificate(
    node: NodePlan, plan: Plan, credentials: Credentials, mail_domains: Iterable[str]
) -> tuple[File, ...]:
    aliases = [
        record.name
        for record in _records(plan)
        if record.type == "CNAME" and _bare(record.data) == node.name
    ]
    names = (node.name, node.short, *aliases, *mail_domains, "localhost")
    key, certificate = credentials.issue(names, (*_addresses(node), "127.0.0.1", "::1"))
    return (
        File("/etc/playground/tls/key.pem", key.encode(), 0o600),
        File("/etc/playground/tls/cert.pem", certificate.encode()),
    )


def _mail_domains(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the domains whose mail each mail server keeps, its own name last.

    Those are the domain that its settings say and those whose MX records name
    it.  The domain that it would have by its name is left to another server
    where MX records say so.

    """
    exchanges: dict[str, list[str]] = {}
    for record in _records(plan):
        if record.type == "MX":
            exchanges.setdefault(_bare(record.name), []).append(_bare(record.data.split()[-1]))
    found: dict[str, tuple[str, ...]] = {}
    for node in plan.nodes:
        for settings in node.services:
            if isinstance(settings, SMTP):
                domain = mail_domain(settings, node.name)
                own = [domain] if _is_ours(settings, domain, node, exchanges) else []
                own += [name for name, hosts in exchanges.items() if node.name in hosts]
                found[node.name] = tuple(dict.fromkeys((*own, node.name)))
    return found


def _is_ours(
    settings: SMTP, domain: str, node: NodePlan, exchanges: Mapping[str, list[str]]
) -> bool:
    return settings.domain is not None or node.name in exchanges.get(domain, [node.name])


def _records(plan: Plan) -> Iterable[RecordPlan]:
    """Every record of the lab, each once; name servers of several realms have their own."""
    simple = (record for node in plan.nodes for record in (*plan.records, *node.records))
    return dict.fromkeys((*simple, *(record for zone in plan.zones for record in zone.records)))


def _bare(name: str) -> str:
    return name.lower().rstrip(".")
