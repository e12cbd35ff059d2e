"""A directory, OpenLDAP's slapd: its settings, and its row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field

from playground.errors import TopologyError
from playground.model.arguments import shown
from playground.model.records import dataclass
from playground.model.services.dns_records import DOMAIN
from playground.model.services.settings import (
    File,
    Port,
    Probe,
    ServiceContext,
    ServiceRow,
    ServiceSettings,
    set_field,
)


@dataclass(frozen=True)
class LDAP(ServiceSettings):
    """A directory on port 389 (RFC 4511), with StartTLS, and with TLS from the start on 636.

    It has the lab's users, as people who may log in by their passwords (RFC 2307), below
    ``ou=people`` of ``domain``, by default the domain that the host's name lies in:
    ``uid=student,ou=people,dc=example,dc=com`` on ldap.example.com.  Anybody may read all but
    passwords.  The directory's administrator is ``cn=admin`` of the domain, whose password is
    root's (``lab.credentials.root_password``).

    >>> Host("ldap.example.com", services=[LDAP()])
    Host('ldap.example.com', services=['ldap'])

    """

    domain: str | None = None
    service: str = field(default="ldap", init=False, repr=False)

    def __post_init__(self) -> None:
        if self.domain is None:
            return
        name = self.domain.lower().rstrip(".") if isinstance(self.domain, str) else ""
        if not DOMAIN.fullmatch(name):
            raise TopologyError(
                f'LDAP: domain={shown(self.domain)} is no domain; write domain="example.com"'
            )
        set_field(self, "domain", name)


def suffix(domain: str) -> str:
    """Return a domain as the name of an entry (RFC 2247).

    >>> suffix("example.com")
    'dc=example,dc=com'

    """
    return ",".join(f"dc={label}" for label in domain.split("."))


# slapd.conf(5)
_CONF = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile /run/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCACertificateFile /run/playground/ca.pem
TLSCertificateFile /etc/playground/tls/cert.pem
TLSCertificateKeyFile /etc/playground/tls/key.pem
database mdb
maxsize 67108864
suffix "{suffix}"
rootdn "cn=admin,{suffix}"
include /run/slapd/rootpw.conf
directory /run/slapd/db
index objectClass,uid eq
access to attrs=userPassword by self write by anonymous auth by * none
access to * by * read
"""

# Passwords are those of the host's accounts, as shadow(5) has them.  slapadd(8) fills the
# directory anew at each start.
_RUN = """\
#!/bin/sh
umask 077
rm -rf /run/slapd
mkdir -p /run/slapd/db
secret() {
    sed -n "s/^$1:\\\\([^:]*\\\\):.*/\\\\1/p" /etc/shadow
}
printf 'rootpw "{CRYPT}%s"\\n' "$(secret root)" >/run/slapd/rootpw.conf
while IFS= read -r line; do
    case $line in
    "userPassword: "*) printf 'userPassword: {CRYPT}%s\\n' "$(secret "${line#userPassword: }")" ;;
    *) printf '%s\\n' "$line" ;;
    esac
done </etc/ldap/playground.ldif >/run/slapd/entries.ldif
exec >>/var/log/slapd.log 2>&1
/usr/sbin/slapadd -q -f /etc/ldap/playground.conf -l /run/slapd/entries.ldif
exec chpst -P /usr/sbin/slapd -d stats -h "ldap:/// ldaps:///" -f /etc/ldap/playground.conf
"""


def _configure_ldap(settings: LDAP, context: ServiceContext) -> tuple[File, ...]:
    _, _, parent = context.name.partition(".")
    base = suffix(settings.domain or parent or context.name)
    return (
        File("/etc/ldap/playground.conf", _CONF.format(suffix=base).encode()),
        File("/etc/ldap/playground.ldif", "\n".join(_entries(base, context)).encode()),
        File("/etc/ldap/ldap.conf", _client(base).encode()),
        File("/etc/sv/slapd/run", _RUN.encode(), 0o755),
    )


def _client(base: str) -> str:
    return f"BASE {base}\nURI ldap://localhost\nTLS_CACERT /run/playground/ca.pem\n"


def _entries(base: str, context: ServiceContext) -> Iterator[str]:
    label = re.split("[=,]", base)[1]
    domain = context.name.partition(".")[2] or context.name
    yield f"dn: {base}\nobjectClass: dcObject\nobjectClass: organization\no: {label}\ndc: {label}\n"
    yield f"dn: ou=people,{base}\nobjectClass: organizationalUnit\nou: people\n"
    yield f"dn: ou=groups,{base}\nobjectClass: organizationalUnit\nou: groups\n"
    for name, uid in context.users.items():
        yield (
            f"dn: uid={name},ou=people,{base}\nobjectClass: inetOrgPerson\n"
            f"objectClass: posixAccount\nuid: {name}\ncn: {name}\nsn: {name}\n"
            f"uidNumber: {uid}\ngidNumber: {uid}\nhomeDirectory: /home/{name}\n"
            f"loginShell: /bin/bash\nmail: {name}@{domain}\n"
            f"userPassword: {name}\n"
        )
        yield (
            f"dn: cn={name},ou=groups,{base}\nobjectClass: posixGroup\ncn: {name}\n"
            f"gidNumber: {uid}\nmemberUid: {name}\n"
        )


# RFC 4511 section 4.2: a simple bind as nobody, version 3; the answer says success.
_BIND = b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"
_SUCCESS = r"^0.*\x61.\x0a\x01\x00"

LDAP_ROW = ServiceRow(
    name="ldap",
    settings=LDAP,
    layer=None,
    programs=("slapd",),
    ports=(Port(389), Port(636, tls=True)),
    probes=(
        Probe(389, send=_BIND, expect=_SUCCESS),
        Probe(636, tls=True, send=_BIND, expect=_SUCCESS),
    ),
    logs=("/var/log/slapd.log",),
    configure=_configure_ldap,
    tls=True,
    processes=2,
    accounts=("openldap",),
    packages=("ldap-utils", "slapd"),
)
