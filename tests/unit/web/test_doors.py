"""What stands at the door without sockets: failures, passwords, proxies, the rate limit, slots, headers."""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any, cast

import bcrypt
import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from exporter.web.clients import Client, Clients, group_of
from exporter.web.failures import MOST_FAILURES, WINDOW_S, Failures
from exporter.web.headers import AnswerHeaders
from exporter.web.passwords import Passwords
from exporter.web.rate import RateLimiter
from exporter.web.slots import Slot, Slots
from exporter.web_config import Rate
from tests.clock import ManualClock


def hashed(password: str, cost: int = 4) -> bytes:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost))


# --- failures ---


async def test_failures_are_forgotten_one_by_one() -> None:
    clock = ManualClock()
    failures = Failures(clock)
    for _ in range(MOST_FAILURES):
        assert failures.wait_s("a") == 0
        failures.note("a")
        await clock.advance(1)
    assert failures.wait_s("a") == WINDOW_S - MOST_FAILURES
    failures.note("a")  # refused anyway: it must not prolong the wait
    assert failures.wait_s("a") == WINDOW_S - MOST_FAILURES
    await clock.advance(WINDOW_S - MOST_FAILURES)
    assert failures.wait_s("a") == 0
    failures.note("a")
    assert failures.wait_s("a") == 1
    assert failures.wait_s("b") == 0


def test_only_so_many_addresses_are_remembered() -> None:
    failures = Failures(ManualClock(), most_addresses=2)
    for address in ("a", "b", "c"):
        for _ in range(MOST_FAILURES):
            failures.note(address)
    assert [failures.wait_s(each) > 0 for each in ("a", "b", "c")] == [False, True, True]


# --- passwords ---


async def test_passwords() -> None:
    passwords = Passwords({"ann": hashed("right"), "bob": hashed("ключ")})
    assert passwords.wanted
    assert await passwords.check("ann", "right")
    assert await passwords.check("bob", "ключ")
    for user, password in (("ann", "wrong"), ("bob", "right"), ("nobody", "right"), ("", ""), ("ann", "r" * 100)):
        assert not await passwords.check(user, password)
    assert not await passwords.check("ann", "a\0b")
    passwords.close()


async def test_a_result_is_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compared, real = list[bytes](), bcrypt.checkpw

    def counted(password: bytes, stored: bytes) -> bool:
        compared.append(password)
        return real(password, stored)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    passwords = Passwords({"ann": hashed("right")})
    assert passwords.known("ann", "right") is None
    assert all(await asyncio.gather(*(passwords.check("ann", "right") for _ in range(20))))
    assert len(compared) <= 2  # those that had begun before the first result
    assert not await passwords.check("ann", "wrong")
    count = len(compared)
    assert (passwords.known("ann", "right"), passwords.known("ann", "wrong")) == (True, False)
    assert await passwords.check("ann", "right")
    assert not await passwords.check("ann", "wrong")
    assert len(compared) == count
    passwords.change({"ann": hashed("other")})
    assert passwords.known("ann", "right") is None
    assert not await passwords.check("ann", "right")
    assert await passwords.check("ann", "other")
    passwords.close()


async def test_at_most_two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, most, lock, go = 0, 0, threading.Lock(), threading.Event()

    def slow(*_: bytes) -> bool:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        go.wait(10)
        with lock:
            busy -= 1
        return False

    monkeypatch.setattr(bcrypt, "checkpw", slow)
    passwords = Passwords({"ann": hashed("right")})
    checks = [asyncio.create_task(passwords.check("ann", str(number))) for number in range(8)]
    for given_up in checks[:4]:  # whoever leaves does not make room for a third thread
        await asyncio.sleep(0)
        given_up.cancel()
    go.set()
    await asyncio.wait(checks)
    assert most <= 2
    passwords.close()


async def test_nobody_costs_as_much_as_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = list[bytes]()

    def noted(_: bytes, stored: bytes) -> bool:
        costs.append(stored[:7])
        return False

    passwords = Passwords({"ann": hashed("right", 5), "bob": hashed("right", 4)})
    assert not await passwords.check("nobody", "right")  # the real bcrypt can read what it is compared with
    monkeypatch.setattr(bcrypt, "checkpw", noted)
    await passwords.check("somebody", "right")
    await passwords.check("ann", "wrong")
    assert costs == [b"$2b$05$"] * 2
    passwords.close()


# --- clients ---


PROXIES = (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "group"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),  # anybody can write the header
        ("10.1.1.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.1.1.1", ["203.0.113.5, 198.51.100.1"], "198.51.100.1"),  # only what our proxy saw
        ("10.1.1.1", ["198.51.100.1, 10.2.2.2", "127.0.0.1"], "198.51.100.1"),
        ("10.1.1.1", ["198.51.100.1, nonsense"], "10.1.1.1"),
        ("10.1.1.1", [], "10.1.1.1"),
        ("::ffff:10.1.1.1", ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        ("2001:db8::7", [], "2001:db8::/64"),
    ],
)
def test_the_client_behind_proxies(peer: str, forwarded: list[str], group: str) -> None:
    headers = CIMultiDict([("X-Forwarded-For", each) for each in forwarded])
    connection = SimpleNamespace(peername=(peer, 1), sockname=("192.0.2.9", 9977), ssl_context=None)
    request = make_mocked_request("GET", "/", headers=headers, protocol=connection)
    assert Clients(lambda _: False, PROXIES).of(request) == Client(group, loopback=False)


@pytest.mark.parametrize(
    ("trusted", "forwarded", "here"),
    [((), None, True), (PROXIES, None, True), (PROXIES, "198.51.100.1", False), (PROXIES, "127.0.0.1", True)],
)
def test_a_proxy_on_this_machine_does_not_make_everybody_local(
    trusted: tuple[object, ...], forwarded: str | None, here: bool
) -> None:
    connection = SimpleNamespace(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 9977), ssl_context=None)
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = make_mocked_request("GET", "/", headers=headers, protocol=connection)
    assert Clients(lambda _: True, trusted).of(request).loopback is here  # type: ignore[arg-type]


def test_groups() -> None:
    assert group_of(("2001:db8:0:1::5", 1, 0, 0)) == group_of("2001:db8:0:1:ffff::") == "2001:db8:0:1::/64"
    assert group_of("fe80::1%eth0") == "fe80::/64"
    assert group_of(None) == group_of("") == "unknown"


# --- the rate limit ---


async def test_the_rate() -> None:
    clock = ManualClock()
    limiter = RateLimiter(clock, Rate(2.0, 3))
    assert [limiter.wait_s() for _ in range(4)] == [0, 0, 0, 2]
    await clock.advance(1.5)
    assert limiter.wait_s() == pytest.approx(0.5)
    await clock.advance(0.5)
    assert [limiter.wait_s() for _ in range(2)] == [0, pytest.approx(2)]
    limiter.change(Rate(2.0, 3))  # the file was read again and is the same
    assert limiter.wait_s() == pytest.approx(2)
    limiter.change(None)
    assert [limiter.wait_s() for _ in range(100)] == [0.0] * 100
    limiter.change(Rate(1.0, 1))
    await clock.advance(3600)
    assert [limiter.wait_s() for _ in range(2)] == [0, 1]


# --- slots ---


FLAGS = st.booleans()


def taken(slots: Slots, group: str | None) -> Slot:
    slot = slots.take(group)
    assert slot is not None
    return slot


def test_one_more_than_the_limit_is_kept() -> None:
    slots = Slots(2, 10)
    first, second = taken(slots, "a"), taken(slots, "a")
    kept = taken(slots, "a")
    assert [slots.is_crowded(each) for each in (first, second, kept)] == [False, False, True]
    assert not slots.is_crowded(taken(slots, "b"))
    slots.give_back(first)
    assert not slots.is_crowded(kept)  # others have left: it is as good as any


def test_a_newer_one_takes_the_kept_slot_unless_it_is_in_use() -> None:
    slots, evicted = Slots(1, 10), list[str]()
    taken(slots, "a")
    old = taken(slots, "a")
    old.evict = lambda: evicted.append("old")
    new = taken(slots, "a")
    assert evicted == ["old"]
    slots.give_back(old)  # what its connection does when it is closed
    assert slots.is_crowded(new)
    new.busy = lambda: True
    assert slots.take("a") is None
    slots.give_back(new)
    assert slots.is_crowded(taken(slots, "a"))


def test_the_limit_of_all_has_a_kept_slot_too() -> None:
    slots = Slots(5, 2)
    for group in ("a", None):  # a proxy counts in all, not by itself
        taken(slots, group).busy = lambda: True
    kept = taken(slots, "b")
    assert slots.is_crowded(kept)
    kept.busy = lambda: True
    assert slots.take("c") is None
    assert slots.take(None) is None


def test_who_has_many_gives_one_up_to_who_has_fewer() -> None:
    slots, evicted = Slots(5, 6), list[str]()
    for name in ("a1", "a2", "a3", "b1", "b2", "c1"):
        slot = taken(slots, name[0])
        slot.evict = partial(evicted.append, name)
        slot.busy = partial(bool, name == "a1")
    stranger = taken(slots, "d")
    assert not slots.is_crowded(stranger)
    assert evicted == ["a2"]  # the oldest of the largest that is not being served
    assert slots.is_crowded(taken(slots, "b"))  # nobody has more than b: it gets no other than the one that is kept
    assert evicted == ["a2"]
    for group in ("e", "f", "g", "h"):
        taken(slots, group)
    assert evicted == ["a2", "b1", "a3", "c1"]
    assert taken(slots, "i").group == "i"  # all of them have one: the oldest gives way


@given(st.data())
def test_slots_are_conserved(data: st.DataObject) -> None:
    slots, draw = Slots(2, 4), cast("Callable[[st.SearchStrategy[Any]], Any]", data.draw)
    open_: list[Slot] = []
    for _ in range(draw(st.integers(0, 40))):
        if open_ and draw(FLAGS):
            slots.give_back(open_.pop(draw(st.integers(0, len(open_) - 1))))
            continue
        slot = slots.take(draw(st.sampled_from(["a", "b", "c", None])))
        if slot is not None:
            slot.evict = partial(open_.remove, slot)
            slot.busy = partial(bool, draw(FLAGS))
            open_.append(slot)
        assert len(open_) <= 5
        for group in ("a", "b", "c"):
            assert sum(each.group == group for each in open_) <= 3
    for slot in open_:
        slots.give_back(slot)
    assert [slots.is_crowded(taken(slots, group)) for group in ("a", "a", "b", "b")] == [False] * 4
    assert slots._groups.keys() == {"a", "b"}
    assert {size: set(groups) for size, groups in slots._sizes.items()} == {2: {"a", "b"}}


# --- headers ---


def test_configured_headers_replace_ours_and_those_of_handlers() -> None:
    headers = AnswerHeaders({"X-Frame-Options": "sameorigin", "Strict-Transport-Security": "max-age=1"})
    answer = CIMultiDict({"x-frame-options": "DENY", "Cache-Control": "no-cache"})
    headers.complete(answer)
    assert answer.getall("X-Frame-Options") == ["sameorigin"]
    assert (answer["Cache-Control"], answer["Strict-Transport-Security"]) == ("no-cache", "max-age=1")
    assert answer["X-Content-Type-Options"] == "nosniff"
