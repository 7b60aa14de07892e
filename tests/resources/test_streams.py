"""Streams: what is made ahead comes in order, and its maker ends as it would without a thread."""

import threading
from collections.abc import Generator

import pytest

from cs_resources.streams import ahead


def test_items_come_in_order_and_one_is_made_while_another_is_in_use() -> None:
    made, second = [], threading.Event()

    def items() -> Generator[int, None, None]:
        for number in (1, 2, 3):
            made.append(number)
            if number == 2:
                second.set()
            yield number

    coming = ahead(items(), "maker")
    assert next(coming) == 1
    assert second.wait(10), "the second is made without being asked for"
    assert list(coming) == [2, 3] == made[1:]


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Generator[int, None, None]:
        yield 1
        raise ConnectionError("lost")

    coming = ahead(items(), "maker")
    assert next(coming) == 1
    with pytest.raises(ConnectionError, match="lost"):
        next(coming)


def test_who_stops_early_closes_the_maker_in_its_own_thread() -> None:
    threads = []

    def items() -> Generator[int, None, None]:
        try:
            while True:
                threads.append(threading.current_thread())
                yield len(threads)
        finally:
            threads.append(threading.current_thread())

    coming = ahead(items(), "maker")
    assert next(coming) == 1
    coming.close()
    assert len(threads) == 3, "begun, made ahead, closed"
    assert {thread.name for thread in threads} == {"maker_0"}
    assert not threads[0].is_alive()
