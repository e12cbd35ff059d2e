"""Replies: whole lines, in order, whenever the library reads them."""

from __future__ import annotations

import os

from tests.support_line import Line


def test_a_reply_is_one_line_whatever_is_in_it(line: Line) -> None:
    messages = [{"id": 1, "result": "two\nlines\r\n"}, {"id": 2, "result": "é\0\u2028"}]
    for message in messages:
        line.replies.send(message)
    assert line.said() == messages
    assert line.read.count(b"\n") == 2


def test_a_line_that_is_written_already_goes_out_as_it_is(line: Line) -> None:
    line.replies.send_line(b'{"id":   3}\n')
    assert line.said() == [{"id": 3}]
    assert line.read == b'{"id":   3}\n'


def test_more_than_a_pipe_holds_comes_whole_and_in_order(line: Line) -> None:
    messages = [{"id": number, "result": "x" * 300_000} for number in range(3)]
    for message in messages:
        line.replies.send(message)
    assert line.writer in line.selector.get_map()
    assert line.until(3) == messages
    line.turn()
    # Nothing is left to write: the selector would find the line ready for ever.
    assert line.writer not in line.selector.get_map()
    assert not line.replies.broken


def test_a_line_without_a_reader_is_broken_and_no_error(line: Line) -> None:
    os.close(line.reader)
    assert not line.replies.broken
    line.replies.send({"id": 1})
    assert line.replies.broken
    line.replies.send({"id": 2})
    assert line.writer not in line.selector.get_map()


def test_a_reader_that_goes_in_the_middle_of_a_reply(line: Line) -> None:
    line.replies.send({"id": 1, "result": "x" * 300_000})
    os.close(line.reader)
    line.turn()
    assert line.replies.broken
    assert line.writer not in line.selector.get_map()
