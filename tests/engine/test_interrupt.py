"""Ctrl-C as a wish."""

from __future__ import annotations

import signal
import threading

import pytest

from ladcli.engine.interrupt import StopWish, exit_code, stop_on_signal, wishes_inside


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_a_wish_and_the_second_interrupts(number: signal.Signals) -> None:
    with stop_on_signal() as wish:
        assert not wish
        signal.raise_signal(number)
        assert wish
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_handlers_are_as_before_afterwards() -> None:
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    with stop_on_signal():
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before
    with pytest.raises(ValueError), stop_on_signal():
        raise ValueError
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_new_block_begins_without_a_wish() -> None:
    with stop_on_signal():
        signal.raise_signal(signal.SIGINT)
    with stop_on_signal() as wish:
        assert not wish


def test_a_wish_in_an_inner_block_reaches_the_outer_one() -> None:
    with stop_on_signal() as outer:
        with stop_on_signal() as inner:
            signal.raise_signal(signal.SIGINT)
            assert inner
        assert outer
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_the_work_around_hears_of_wishes_and_makes_none_itself() -> None:
    before = signal.getsignal(signal.SIGINT)
    with wishes_inside() as heard:
        assert signal.getsignal(signal.SIGINT) is before
        with stop_on_signal():
            signal.raise_signal(signal.SIGINT)
        assert heard
    with wishes_inside() as heard:
        assert not heard


def test_without_a_signal_an_interruption_counts_as_ctrl_c() -> None:
    assert exit_code() == 130


def test_outside_the_main_thread_nothing_is_caught() -> None:
    wishes: list[StopWish] = []
    before = signal.getsignal(signal.SIGINT)

    def work() -> None:
        with stop_on_signal() as wish:
            assert signal.getsignal(signal.SIGINT) is before
            wishes.append(wish)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [bool(wish) for wish in wishes] == [False]
