"""Tokens open what they were given for, and cookies keep servers apart."""

from __future__ import annotations

import pytest

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
    rights = keys.rights_of([before, now])
    assert allows(bound(rights, "a-2"), "a", change=True)
    assert not allows(bound(keys.rights_of([before]), "a-2"), "a")
    assert allows(bound([ALL], "a-2"), "a")
    keys.withdraw("a", but="a-2")
    assert keys.right_of(before) is None and keys.right_of(now) is not None


def test_cookies_of_two_servers_on_one_machine_do_not_meet() -> None:
    cookies = {cookie_name(8810, "t1"): "t1", cookie_name(8810, "t2"): "t2", "other": "x"}
    assert cookies_of(cookies, 8810) == ["t1", "t2"]
    assert cookies_of(cookies, 881) == []
