"""Tokens open what they were given for, and cookies keep servers apart."""

from __future__ import annotations

import pytest

from playground.frontends.web import rights
from playground.frontends.web.rights import Keys, Right, allows, bound, cookie_name, cookies_of

ALL, ONE, LOOK = Right(may_change=True), Right("a", may_change=True), Right("a")


@pytest.mark.parametrize(
    ("right", "lab", "change", "allowed"),
    [
        (ALL, "a", True, True),
        (ALL, "b", False, True),
        (ONE, "a", True, True),
        (ONE, "b", False, False),
        (LOOK, "a", False, True),
        (LOOK, "a", True, False),
        (LOOK, "b", False, False),
    ],
)
def test_a_right_is_to_one_lab_or_to_all_and_to_change_or_to_look(
    right: Right, lab: str, change: bool, allowed: bool
) -> None:
    assert right.allows(lab, change) is allowed


def test_nobody_without_a_right_may_do_anything() -> None:
    assert not allows([], "a")
    assert allows([Right("b"), LOOK], "a")


def test_a_token_has_the_right_it_was_given_for_and_a_guessed_one_has_none() -> None:
    keys = Keys()
    first, second = keys.issue(LOOK), keys.issue(LOOK)
    assert first != second and len(first) >= 43  # 256 bits
    assert keys.right_of(first) == LOOK
    assert keys.right_of(first[:-1]) is None
    assert keys.right_of("\udcff") is None
    assert keys.rights_of([first, "x", second]) == {LOOK}


def test_a_withdrawn_lab_has_no_tokens_left_and_others_keep_theirs() -> None:
    keys = Keys()
    gone, stays, everything = keys.issue(ONE), keys.issue(Right("b")), keys.issue(ALL)
    session = keys.remember(gone)
    assert keys.proven([session.cookie], [session.proof])
    keys.withdraw("a")
    assert not keys.known([session.cookie])
    assert [keys.right_of(token) for token in (gone, stays, everything)] == [None, Right("b"), ALL]


def test_a_lab_that_takes_the_name_of_another_does_not_take_its_tokens() -> None:
    keys = Keys()
    before, now = (keys.issue(Right("a", True, key)) for key in ("a-1", "a-2"))
    found = keys.rights_of([before, now])
    assert allows(bound(found, "a-2"), "a", change=True)
    assert not allows(bound(keys.rights_of([before]), "a-2"), "a")
    assert allows(bound([ALL], "a-2"), "a")
    keys.withdraw("a", but="a-2")
    assert keys.right_of(before) is None and keys.right_of(now) is not None


def test_tokens_of_a_lab_that_has_ended_are_forgotten_and_who_came_by_them() -> None:
    keys = Keys()
    gone, stays, everything = (
        keys.issue(right) for right in (Right("a", True, "a-1"), Right("a", True, "a-2"), ALL)
    )
    session = keys.remember(gone)
    keys.labs_ended(["a-1", ""])
    assert [keys.right_of(token) is None for token in (gone, stays, everything)] == [
        True, False, False,
    ]  # fmt: skip
    assert not keys.known([session.cookie])
    assert (len(keys._rights), keys._sessions, dict(keys._remembered)) == (2, {}, {})


def test_a_token_is_forgotten_alone() -> None:
    keys = Keys()
    gone, stays = keys.issue(LOOK), keys.issue(LOOK)
    for _ in range(2):
        keys.forget(gone)
    assert (keys.right_of(gone), keys.right_of(stays)) == (None, LOOK)


def test_who_shares_again_and_again_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rights, "_MOST_TOKENS", 3)
    keys = Keys()
    all_labs, used = keys.issue(ALL), keys.issue(LOOK)
    for _ in range(10):
        assert keys.right_of(used) == LOOK  # somebody looks by it now and again
        keys.issue(LOOK)
    assert len(keys._rights) == 4
    assert (keys.right_of(all_labs), keys.right_of(used)) == (ALL, LOOK)


def test_who_opens_an_address_again_and_again_fills_no_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rights, "_MOST_SESSIONS", 3)
    keys = Keys()
    token, other = keys.issue(LOOK), keys.issue(ALL)
    used, elsewhere = keys.remember(token), keys.remember(other)
    for _ in range(10):
        assert keys.proven([used.cookie], [used.proof])
        last = keys.remember(token)
    assert len(keys._sessions) == 4
    assert keys.proven([last.cookie, elsewhere.cookie], [last.proof, elsewhere.proof])


def test_all_who_know_the_password_have_one_token_until_it_is_forgotten() -> None:
    keys = Keys()
    token = keys.log_in(ALL)
    assert keys.log_in(ALL) == token and len(keys._rights) == 1
    keys.forget(token)
    assert keys.log_in(ALL) != token


def test_cookies_of_two_servers_on_one_machine_do_not_meet() -> None:
    cookies = f"{cookie_name(8810, 't1')}=t1; other=x; {cookie_name(8810, 't2', True)}=t2"
    assert cookies_of(cookies, 8810) == ["t1", "t2"]
    assert cookies_of(cookies, 881) == []


@pytest.mark.parametrize("other", ['a={"x":1}', "a=x y", "a", "=x", "$Version=1", 'a="x', "ä=ö"])
def test_no_cookie_of_another_server_hides_ours(other: str) -> None:
    ours = f"{cookie_name(8810, 't1')}=t1"
    assert cookies_of(f"{other}; {ours}", 8810) == ["t1"]
    assert cookies_of(f"{ours}; {other}", 8810) == ["t1"]
