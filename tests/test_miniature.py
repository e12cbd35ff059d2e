"""The first lab: twelve machines that resemble the Internet, and all their services.

Real clients on h1, behind the NAT of modemA, talk to real daemons.

"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator

import pytest

from playground import Lab
from playground.engines.seam import Engine
from playground.examples import miniature_internet
from tests.facts import assert_can_ping, assert_cannot_ping, assert_path


@pytest.fixture(scope="module")
def lab(engine: Engine) -> Iterator[Lab]:
    with miniature_internet(users={"student": "secret"}, quiet=True) as lab:
        yield lab


# -- the network --------------------------------------------------------------

ADDRESSES = {
    "h1": {"eth1": ["192.168.1.11/24"]},
    "h2": {"eth1": ["192.168.1.12/24"]},
    "h3": {"eth1": ["192.168.1.13/24"]},
    "h4": {"eth1": ["192.168.1.14/24"]},
    "modemA": {"eth1": ["192.168.1.1/24"], "eth0": ["10.25.1.65/16"]},
    "modemB": {"eth1": ["192.168.1.1/24"], "eth0": ["10.25.1.66/16"]},
    "isp": {"eth0": ["10.25.1.1/32"], "eth1": ["10.25.1.1/32"], "eth2": ["10.25.1.1/32"]},
    "backbone": {"eth0": ["10.1.1.1/32"], "eth1": ["10.1.1.1/32"]},
    "example.com": {"eth0": ["10.130.1.1/32"], "eth1": ["10.130.1.1/24"]},
    "ftp.example.com": {"eth0": ["10.130.1.2/24"]},
    "mail.example.com": {"eth0": ["10.130.1.3/24"]},
    "www.example.com": {"eth0": ["10.130.1.4/24"]},
}


@pytest.mark.parametrize("name", ADDRESSES)
def test_the_kernel_has_the_addresses_of_the_table(lab: Lab, name: str) -> None:
    shown = {}
    for line in lab[name].run("ip -brief -4 address").stdout.splitlines():
        interface, _, *addresses = line.split()
        if interface != "lo":
            shown[interface.partition("@")[0]] = addresses
    assert shown == ADDRESSES[name]


@pytest.mark.parametrize("name", ["h1", "h2", "h3", "h4"])
def test_a_home_machine_has_one_default_route(lab: Lab, name: str) -> None:
    assert lab[name].run("ip route show default").stdout.split()[:3] == [
        "default",
        "via",
        "192.168.1.1",
    ]


def test_a_packet_from_h1_passes_modem_isp_backbone_and_example(lab: Lab) -> None:
    assert_path(
        lab["h1"],
        "www.example.com",
        "192.168.1.1",
        "10.25.1.1",
        "10.1.1.1",
        "10.130.1.1",
        "10.130.1.4",
    )


def test_a_packet_is_explained_by_name_through_nat_and_all_routers(lab: Lab) -> None:
    found = lab.explain("h1", "www.example.com", port=80)
    assert found.ok, found
    way = ("h1", "modemA", "isp", "backbone", "example.com", "www.example.com")
    assert (found.path, found.path_back) == (way, way[::-1])
    steps = {(step.node, step.asked): step.found for step in found.steps}
    assert steps["h1", "name"] == "www.example.com is 10.130.1.4 (DNS)"
    assert "destination 10.25.1.65:" in steps["modemA", "nat"]
    assert steps["www.example.com", "socket"] == "listens on 0.0.0.0:80 (nginx)"
    inside = lab.explain("h4", "h1", port=22)
    assert (inside.node, inside.cause) == ("modemA", "NAT")


def test_a_service_that_was_stopped_is_named_even_where_it_is_that_of_names(lab: Lab) -> None:
    for node, service, words in (
        ("mail", "smtp", "nothing listens there on tcp port 25 (smtp)"),
        ("backbone", "dns", "h1 cannot ask its name server 10.1.1.1 what mail.example.com is"),
    ):
        running = lab.node(node).services[service]
        running.stop()
        try:
            found = lab.explain("h1", "mail.example.com", port=25)
        finally:
            running.start()
        assert (found.node, found.cause) == (lab[node].name, "server stopped"), found
        assert words in found.sentence
        assert f'services["{service}"].start()' in found.advice


def test_nat_lets_out_what_it_does_not_let_in(lab: Lab) -> None:
    assert_can_ping(lab["h1"], lab["www"])  # inside to outside
    assert_can_ping(lab["h1"], "h2")  # beside one another
    assert_can_ping(lab["www"], "10.25.1.65")  # outside to the modem itself
    assert_cannot_ping(lab["www"], "192.168.1.11")  # outside to inside
    assert_cannot_ping(lab["isp"], "192.168.1.11")  # though it is next to the modem
    assert_cannot_ping(lab["h1"], "192.168.1.14")  # inside one home to inside the other


def test_an_outside_machine_that_knows_the_way_is_still_kept_out(lab: Lab) -> None:
    isp = lab["isp"]
    isp.run("ip route add 192.168.1.0/24 via 10.25.1.65 dev eth1 onlink")
    try:
        assert_cannot_ping(isp, "192.168.1.11")
    finally:
        isp.run("ip route del 192.168.1.0/24")


def test_the_two_modems_reach_each_other_through_the_isp(lab: Lab) -> None:
    assert_can_ping(lab["modemA"], "10.25.1.66")


def test_no_inside_address_is_routed_outside(lab: Lab) -> None:
    for name in ("isp", "backbone", "example.com", "www"):
        assert "192.168." not in lab[name].run("ip route").stdout


@pytest.mark.parametrize("name", ["www", "www.example.com", "ftp", "mail.example.com", "backbone"])
def test_every_name_resolves_from_behind_the_nat(lab: Lab, name: str) -> None:
    assert_can_ping(lab["h1"], name)


def test_neighbours_behind_the_same_modem_know_each_other_by_name(lab: Lab) -> None:
    assert_can_ping(lab["h1"], "h3")
    assert lab["h4"].run("getent hosts h1", check=False).returncode != 0


def test_no_machine_has_a_way_out_of_the_lab(lab: Lab) -> None:
    for name in ("h1", "www", "isp"):
        links = lab[name].run("ip -brief link").stdout
        assert "docker" not in links
    assert lab["isp"].run("ip route get 8.8.8.8", check=False).returncode != 0


# -- HTTP -----------------------------------------------------------------------


def test_http_and_https_show_the_same_page(lab: Lab) -> None:
    plain = lab["h1"].run("curl -sf http://www.example.com/").stdout
    assert "Welcome to example.com" in plain
    assert lab["h1"].run("curl -sf https://www.example.com/").stdout == plain
    assert lab["h1"].run("curl -sf https://www/").stdout == plain


def test_the_web_server_sees_the_modem_and_not_the_host_behind_it(lab: Lab) -> None:
    lab["h1"].run("curl -sf http://www.example.com/?from-h1")
    line = next(
        line for line in lab["www"].services["http"].log().splitlines() if "from-h1" in line
    )
    assert line.startswith("10.25.1.65 ")


def test_a_certificate_for_another_name_is_refused(lab: Lab) -> None:
    failed = lab["h1"].run("curl -sS https://10.25.1.1/", check=False)
    assert failed.returncode != 0
    wrong = lab["h1"].run(
        "curl -sS --connect-to evil.example.com:443:www.example.com:443 https://evil.example.com/",
        check=False,
    )
    assert wrong.returncode == 60  # curl(1): the peer's certificate cannot be authenticated


# -- mail -----------------------------------------------------------------------


def send_mail(host: str, port: int, how: str, user: str, password: str, subject: str) -> bytes:
    import smtplib
    import ssl

    context = ssl.create_default_context()
    kind = smtplib.SMTP_SSL if how == "tls" else smtplib.SMTP
    extra = {"context": context} if how == "tls" else {}
    with kind(host, port, timeout=10, **extra) as server:
        if how == "starttls":
            server.starttls(context=context)
        if password:
            server.login(user, password)
        header = f"From: {user}@example.com\r\nTo: student@example.com\r\nSubject: {subject}\r\n"
        message = f"{header}\r\nhello\r\n"
        server.sendmail(f"{user}@example.com", ["student@example.com"], message)
        return server.noop()[1]


def fetch_by_pop(host: str, how: str, user: str, password: str) -> list[str]:
    import poplib
    import ssl

    context = ssl.create_default_context()
    box = poplib.POP3_SSL(host, context=context) if how == "tls" else poplib.POP3(host)
    if how == "starttls":
        box.stls(context)
    box.user(user)
    box.pass_(password)
    count = len(box.list()[1])
    subjects = []
    for number in range(1, count + 1):
        for line in box.retr(number)[1]:
            if line.lower().startswith(b"subject:"):
                subjects.append(line.decode().partition(":")[2].strip())
    box.quit()
    return subjects


def fetch_by_imap(host: str, how: str, user: str, password: str) -> list[str]:
    import imaplib
    import ssl

    context = ssl.create_default_context()
    box = imaplib.IMAP4_SSL(host, ssl_context=context) if how == "tls" else imaplib.IMAP4(host)
    if how == "starttls":
        box.starttls(ssl_context=context)
    box.login(user, password)
    box.select("INBOX", readonly=True)
    numbers = box.search(None, "ALL")[1][0].split()
    subjects = []
    for number in numbers:
        header = box.fetch(number, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1][0][1]
        subjects.append(header.decode().partition(":")[2].strip())
    box.logout()
    return subjects


def wait_for_subject(lab: Lab, subject: str) -> None:
    """Wait up to 10 s until the message is in student's mailbox."""
    lab["mail"].run(
        f"for i in $(seq 100); do grep -rqs '{subject}' /home/student/Maildir && exit 0; "
        "sleep 0.1; done; exit 1",
        timeout_s=20,
    )


@pytest.mark.parametrize(
    ("port", "how", "login"),
    [
        pytest.param(25, "plain", False, id="SMTP"),
        pytest.param(25, "starttls", False, id="SMTP-STARTTLS"),
        pytest.param(465, "tls", True, id="SMTPS"),
        pytest.param(587, "starttls", True, id="submission"),
    ],
)
def test_mail_sent_from_behind_the_nat_arrives(lab: Lab, port: int, how: str, login: bool) -> None:
    subject = f"by-{how}-{port}"
    password = lab.users["student"] if login else ""
    lab["h1"].call(send_mail, "mail.example.com", port, how, "student", password, subject)
    wait_for_subject(lab, subject)


def test_a_wrong_password_does_not_send_mail(lab: Lab) -> None:
    with pytest.raises(smtplib.SMTPAuthenticationError):
        lab["h1"].call(send_mail, "mail", 465, "tls", "student", "wrong", "never")


@pytest.mark.parametrize("how", ["plain", "starttls", "tls"])
@pytest.mark.parametrize("fetch", [fetch_by_pop, fetch_by_imap], ids=["POP3", "IMAP"])
def test_mail_is_fetched_from_behind_the_nat(lab: Lab, fetch: object, how: str) -> None:
    subject = "fetched"
    lab["h1"].call(send_mail, "mail", 25, "plain", "student", "", subject)
    wait_for_subject(lab, subject)
    subjects = lab["h1"].call(fetch, "mail.example.com", how, "student", lab.users["student"])
    assert subject in subjects


def test_mail_goes_to_the_mail_exchanger_of_its_domain(lab: Lab) -> None:
    answer = lab["h1"].run("dig +short MX example.com").stdout.split()
    assert answer[1].rstrip(".") == "mail.example.com"


# -- FTP, Telnet, SSH, DNS --------------------------------------------------------


def list_by_ftp(host: str, passive: bool, tls: bool, user: str, password: str) -> list[str]:
    import ftplib
    import ssl

    if tls:
        ftp: ftplib.FTP = ftplib.FTP_TLS(host, timeout=10, context=ssl.create_default_context())
    else:
        ftp = ftplib.FTP(host, timeout=10)
    ftp.login(user, password)
    if tls:
        ftp.prot_p()
    ftp.set_pasv(passive)
    names = ftp.nlst()
    ftp.quit()
    return names


@pytest.mark.parametrize(
    ("passive", "tls"),
    [
        pytest.param(True, False, id="passive"),
        pytest.param(False, False, id="active"),
        pytest.param(True, True, id="passive-TLS"),
    ],
)
def test_ftp_through_the_nat(lab: Lab, passive: bool, tls: bool) -> None:
    lab["ftp"].run("touch /home/student/homework.txt && chown student: /home/student/homework.txt")
    names = lab["h1"].call(
        list_by_ftp, "ftp.example.com", passive, tls, "student", lab.users["student"]
    )
    assert "homework.txt" in names


def test_active_ftp_needs_the_helper_of_the_nat(lab: Lab) -> None:
    rules = lab["modemA"].run("nft list ruleset").stdout
    assert "ct helper" in rules


def test_telnet_lets_a_user_in(lab: Lab) -> None:
    script = (
        f"(sleep 1; echo student; sleep 1; echo {lab.users['student']}; sleep 1; "
        "echo 'echo I-am-$(whoami)-on-$(hostname)'; sleep 1; echo exit; sleep 0.5) "
        "| telnet ftp.example.com"
    )
    shown = lab["h1"].run(script, check=False, timeout_s=20).stdout
    assert "I-am-student-on-ftp" in shown


def test_ssh_by_the_labs_key_asks_nothing(lab: Lab) -> None:
    for user in ("root", "student"):
        shown = lab["h1"].run(f"ssh -o BatchMode=yes {user}@www.example.com whoami").stdout
        assert shown.strip() == user


def test_ssh_by_password_from_one_host_to_another(lab: Lab) -> None:
    with lab["h1"].ssh(to=lab["mail"], user="student", password=lab.users["student"]) as client:
        _, stdout, _ = client.exec_command("hostname; echo $SSH_CLIENT")
        host, origin = stdout.read().decode().splitlines()
    assert host == "mail"
    assert origin.startswith("10.25.1.65 ")  # the modem's address: the way led through the NAT


# The homes lie behind their modems: their names are not the name server's to know.
PUBLIC = [name for name in ADDRESSES if name not in ("h1", "h2", "h3", "h4")]


@pytest.mark.parametrize("name", PUBLIC)
def test_dns_and_the_table_agree(lab: Lab, name: str) -> None:
    answer = lab["h1"].run(f"dig +short {name}").stdout.split()
    outside = [address for shown in ADDRESSES[name].values() for address in shown]
    assert f"{answer[0]}/" in " ".join(outside)
    assert not answer[0].startswith("192.168.")


def test_dns_knows_the_way_back_and_says_no_to_what_is_not_there(lab: Lab) -> None:
    back = lab["h1"].run("dig +short -x 10.130.1.4").stdout
    assert back.split() == ["www.example.com."]
    assert "status: NXDOMAIN" in lab["h1"].run("dig nowhere.example.com").stdout
    assert "status: NOERROR" in lab["h1"].run("dig +tcp www.example.com").stdout


# -- outside to inside, the negative of all the above ---------------------------------


@pytest.mark.parametrize("port", [21, 22, 23, 25, 80])
def test_a_service_behind_the_nat_is_not_reached_from_outside(lab: Lab, port: int) -> None:
    h1, www = lab["h1"], lab["www"]
    if port != 22:  # sshd is there already
        server = h1.start(f"nc -l -k -p {port}")
    inside = lab["h2"].run(
        f"for i in 1 2 3 4 5; do nc -z -w 1 192.168.1.11 {port} && exit 0; sleep 0.2; done; exit 1"
    )
    assert inside.returncode == 0  # the positive control: from beside it answers
    outside = www.run(f"nc -z -w 1 192.168.1.11 {port}", check=False)
    assert outside.returncode != 0
    if port != 22:
        server.terminate()


# -- users ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["h1", "modemA", "backbone", "mail", "www"])
def test_the_user_exists_and_may_become_root(lab: Lab, name: str) -> None:
    password = lab.users["student"]
    node = lab[name]
    assert node.run("whoami", user="student").stdout == "student\n"
    shown = node.run("sudo -S -p '' whoami", user="student", input=password + "\n")
    assert shown.stdout == "root\n"


def test_pythons_ssl_trusts_the_labs_authority(lab: Lab) -> None:
    def peer_name(host: str) -> str:
        import socket
        import ssl

        context = ssl.create_default_context()
        with (
            socket.create_connection((host, 443), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            names = secure.getpeercert()["subjectAltName"]
        return next(value for kind, value in names if kind == "DNS")

    assert lab["h1"].call(peer_name, "www.example.com") == "www.example.com"
    with pytest.raises(ssl.SSLCertVerificationError):
        lab["h1"].call(wrong_name, "www.example.com")


def wrong_name(host: str) -> None:
    import socket
    import ssl

    context = ssl.create_default_context()
    with socket.create_connection((host, 443), timeout=5) as plain:
        context.wrap_socket(plain, server_hostname="evil.example.com").close()
