"""The end of a build's output is kept, whatever the build prints."""

from __future__ import annotations

import tracemalloc

from playground.engines.build_log import LOG_LENGTH, BuildLog


def test_the_end_of_a_long_output_is_kept_in_little_memory() -> None:
    log = BuildLog()
    tracemalloc.start()
    try:
        for number in range(100):
            log.add(f"{number}\n" + "y\n" * (LOG_LENGTH // 20))
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 10 * LOG_LENGTH  # of those written, of 4 bytes
    log.add("Error: no luck\n")
    assert len(log.text()) == LOG_LENGTH
    assert log.text().endswith("y\nError: no luck\n")
    assert "99\n" in log.text()
    assert "80\n" not in log.text()


def test_the_last_line_is_put_together_from_its_pieces() -> None:
    log = BuildLog()
    said = []
    for piece in ("Step 1", "/2 : RUN", " yes\n", "\n", "  y"):
        log.add(piece)
        said.append(log.line)
    assert said == ["Step 1", "Step 1/2 : RUN", *["Step 1/2 : RUN yes"] * 2, "y"]


def test_colours_are_left_out() -> None:
    log = BuildLog()
    for piece in ("\x1b[9", "1moops\x1b[0m\n", "\x1b[1;31mno\x1b[0m\n\x1b[0m"):
        log.add(piece)
    assert (log.text(), log.line) == ("oops\nno\n", "no")
