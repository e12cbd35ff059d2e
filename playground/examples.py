"""Labs that are ready to start: for tests, benchmarks, the README and a first look.

Each comes twice: as a function that returns a `Lab`, not yet started, and as
one that returns its declarations alone.

"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from email.message import EmailMessage
from typing import Any

from playground.lab import Lab
from playground.services import FTP, HTTP, IMAP
from playground.topology import Host, Link, Node, Router, Switch

_WEB_SITE = {
    "index.html": """\
<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Welcome to example.com</title>
  </head>
  <body>
    <h1>Welcome to example.com</h1>
    <p>This page comes from a small Internet that runs on one machine.</p>
    <ul>
      <li><a href="about.html">About this network</a></li>
      <li><a href="ftp://ftp.example.com/">Files</a></li>
      <li><a href="mailto:student@example.com">Mail</a></li>
    </ul>
  </body>
</html>
""",
    "about.html": """\
<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>About this network</title>
  </head>
  <body>
    <h1>About this network</h1>
    <p>From h1, your packets passed modemA, isp, backbone and example.com.</p>
    <p><a href="index.html">Back</a></p>
  </body>
</html>
""",
}

_FTP_FILES = {
    "README": """\
Welcome to ftp.example.com.

poem.txt   a few lines of text, to fetch in ASCII mode
""",
    "poem.txt": """\
The sea is calm to-night.
The tide is full, the moon lies fair
Upon the straits; on the French coast the light
Gleams and is gone; the cliffs of England stand,
Glimmering and vast, out in the tranquil bay.
""",
}


def miniature_internet(users: Mapping[str, str] | None = None, **options: Any) -> Lab:
    """Return the Internet in miniature: two homes, a provider, a backbone, example.com.

    ``users`` maps user names to passwords, by default one user, ``student``,
    with a password made for the lab; further ``options`` are those of `Lab`,
    such as ``keep=True``.  The lab is not yet started, and nothing is made.

    >>> with miniature_internet() as lab:
    ...     print(lab["h1"].traceroute("www").hops)
    ['192.168.1.1', '10.25.1.1', '10.1.1.1', '10.130.1.1', '10.130.1.4']

    """
    nodes = miniature_internet_nodes(users or ("student",))
    options.setdefault("name", "miniature-internet")
    return Lab(*nodes, users=users, **options)


def miniature_internet_nodes(users: Iterable[str] = ("student",)) -> tuple[Node, ...]:
    """Return the declarations of the Internet in miniature.

    ``users`` are those who find a first message in their mailbox.

    ::

        h1 h2 h3                                          ftp mail www
           |                                                   |
         homeA - modemA ---.                              exampleCOM
                            isp --- backbone --- example.com --'
         homeB - modemB ---'
           |
          h4

    """
    # After the network of "Foundations of Python Network Programming"
    # (Brandon Rhodes and John Goerzen), whose addresses these are.
    home_a = Switch("homeA", subnet="192.168.1.0/24")
    home_b = Switch("homeB", subnet="192.168.1.0/24")
    example_com = Switch("exampleCOM", subnet="10.130.1.0/24")

    h1, h2, h3, h4 = (Host(name, services=["ssh"]) for name in ("h1", "h2", "h3", "h4"))
    modem_a = Router("modemA", services=["ssh"])
    modem_b = Router("modemB", services=["ssh"])
    isp = Router("isp", services=["ssh"])
    backbone = Router("backbone", services=["ssh", "dns"])
    example = Router("example.com", services=["ssh"])
    ftp = Host("ftp.example.com", services=["ssh", FTP(files=_FTP_FILES), "telnet"])
    mail = Host(
        "mail.example.com",
        services=["ssh", "smtp", "pop", IMAP(mailboxes={user: [_welcome(user)] for user in users})],
    )
    www = Host("www.example.com", services=["ssh", HTTP(files=_WEB_SITE)])

    # Every machine's eth0 faces the backbone.
    Link(backbone, isp, addresses=("10.1.1.1/32", "10.25.1.1/32"), names=("eth0", "eth0"))
    to_isp = []
    for number, (modem, home) in enumerate([(modem_a, home_a), (modem_b, home_b)]):
        uplink = Link(
            isp,
            modem,
            addresses=("10.25.1.1/32", f"10.25.1.{65 + number}/16"),
            names=(f"eth{number + 1}", "eth0"),
        )
        Link(home, modem, address="192.168.1.1", names=(None, "eth1"))
        to_isp.append((modem, uplink))
    Link(backbone, example, addresses=("10.1.1.1/32", "10.130.1.1/32"), names=("eth1", "eth0"))
    for number, host in enumerate([h1, h2, h3]):
        Link(home_a, host, address=f"192.168.1.{11 + number}", names=(None, "eth1"))
    Link(home_b, h4, address="192.168.1.14", names=(None, "eth1"))
    Link(example_com, example, address="10.130.1.1", names=(None, "eth1"))
    for number, host in enumerate([ftp, mail, www]):
        Link(example_com, host, address=f"10.130.1.{2 + number}", names=(None, "eth0"))

    for modem, uplink in to_isp:
        modem.masquerade(uplink)
    return (
        *(h1, h2, h3, home_a, modem_a, h4, home_b, modem_b),
        *(isp, backbone, example, example_com, ftp, mail, www),
    )


def coffee_shop(**options: Any) -> Lab:
    """Return a first network: two hosts behind a modem, and a web server outside.

    ``options`` are those of `Lab`.

    >>> with coffee_shop() as lab:
    ...     print(lab["h1"].run("curl -s http://www.example.com/").stdout)

    """
    options.setdefault("name", "coffee-shop")
    return Lab(*coffee_shop_nodes(), **options)


def coffee_shop_nodes() -> tuple[Node, ...]:
    """Return the declarations of the first network.

    ::

        h1 --.
              home --- modem --- www.example.com
        h2 --'

    """
    home = Switch("home", subnet="192.168.1.0/24")
    h1 = Host("h1")
    h2 = Host("h2")
    modem = Router("modem")
    www = Host("www.example.com", services=["http"])

    for node in (modem, h1, h2):
        Link(home, node)
    uplink = Link(modem, www, subnet="203.0.113.0/24")
    modem.masquerade(uplink)
    return (home, h1, h2, modem, www)


def _welcome(user: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "postmaster@example.com"
    message["To"] = f"{user}@example.com"
    message["Subject"] = "Welcome to example.com"
    # A date and an id of its own, so that the declarations are always the same.
    message["Date"] = "Mon, 01 Jan 2024 09:00:00 +0000"
    message["Message-ID"] = f"<welcome.{user}@mail.example.com>"
    message.set_content(
        f"Dear {user},\n\n"
        "this mailbox is yours.  Read it with POP or IMAP at mail.example.com,\n"
        "and send mail from any machine of this network by SMTP.\n\n"
        "The postmaster\n"
    )
    return message
