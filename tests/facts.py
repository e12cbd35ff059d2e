"""Facts about networks, as assertions that read like sentences."""

from __future__ import annotations

from playground.operations.network import Node


def assert_can_ping(node: Node, target: Node | str) -> None:
    """Assert that an echo request from `node` is answered by `target`."""
    result = node.ping(target, count=1, timeout_s=5)
    assert result.received == 1, f"{node.name} got no answer from {target}: {result}"


def assert_cannot_ping(node: Node, target: Node | str) -> None:
    """Assert that an echo request from `node` is lost on its way to `target`."""
    result = node.ping(target, count=1, timeout_s=1)
    assert result.received == 0, f"{node.name} got an answer from {target}: {result}"


def wait_on(node: Node, command: str) -> None:
    """Run a shell's command on a node again and again until it succeeds, 20 s at most."""
    again = f"for i in $(seq 200); do {command} && exit; sleep 0.1; done; exit 1"
    node.run(["sh", "-c", again])


def assert_path(node: Node, target: Node | str, *addresses: str) -> None:
    """Assert which routers' addresses a traceroute from `node` to `target` shows."""
    hops = node.traceroute(target).hops
    assert hops == list(addresses), f"{node.name} to {target} went {hops}"


def get_page(node: Node, url: str) -> tuple[int, str]:
    """Return the status and the text of a page as `node` sees it; 0 if nothing answers.

    With no program of its own: what a host without services has is the machine's.

    """

    def get(url: str) -> tuple[int, str]:
        import urllib.error
        import urllib.request

        try:
            with urllib.request.urlopen(url, timeout=10) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as refused:
            refused.close()
            return refused.code, ""
        except OSError:
            return 0, ""

    status, text = node.call(get, url)
    return status, text


# ESC, BEL, CSI of C1, a carriage return, and an override of the direction of writing.
HOSTILE = "<b>a\x1b[2Jb\x07c\x9b1md\u202ee\rf</b>"


def has_effect(shown: str) -> bool:
    """Whether what is shown would move a terminal's cursor, or a page's text, and more."""
    return any(character in shown for character in "\x1b\x07\x9b\u202e\r")
