"""Slow and many clients, with real sockets: what they may take, and that scrapes still get through."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network

from exporter.web.keys import AccessRules
from exporter.web.settings import Limits, WebSettings
from tests.eventually import eventually
from tests.web.fleet import KEYS, Fleet
from tests.web.wire import Wire

SHORT = Limits(head_s=0.15, body_s=0.15, keepalive_s=0.5, linger_s=0.05, connections_of_one=3, connections=5)
HEAD = b"GET /status HTTP/1.1\r\nHost: localhost\r\n"
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
Connect = Callable[[], Awaitable[Wire]]


@asynccontextmanager
async def crowd(settings: WebSettings | None = None) -> AsyncIterator[tuple[Fleet, Connect]]:
    """A server with small limits, and a way to connect to it."""
    wires: list[Wire] = []
    async with Fleet(settings or WebSettings(listen=(("127.0.0.1", 0),), limits=SHORT)) as fleet:

        async def connect() -> Wire:
            wires.append(Wire(*await asyncio.open_connection(*fleet.server.addresses[0])))
            return wires[-1]

        yield fleet, connect
        for wire in wires:
            wire.close()
        await eventually(lambda: fleet.server._slots._all.taken == 0)


def patient(**limits: float) -> WebSettings:
    """Settings whose time limits do not matter."""
    return WebSettings(
        listen=(("127.0.0.1", 0),),
        access=AccessRules(KEYS),
        limits=Limits(**{"connections_of_one": 3, "connections": 5, **limits}),  # type: ignore[arg-type]
    )


# --- time ---


async def a_head_is_late(connect: Connect) -> None:
    """Wait until whoever had begun to send a head by now would have been cut off."""
    other = await connect()
    other.send(HEAD)
    assert (await other.answer())[0] == 408
    assert await other.rest() == b""


async def test_a_head_that_drips_in_is_cut_off() -> None:
    async with crowd() as (fleet, connect):
        wire = await connect()

        async def drip() -> None:
            for byte in HEAD * 100:
                wire.send(bytes([byte]))
                await asyncio.sleep(0.01)

        dripping = asyncio.create_task(drip())
        assert (await wire.answer())[0] == 408
        assert not dripping.done()
        dripping.cancel()
        assert fleet.server._stats.requests["unmatched", "other", 408] == 1


async def test_who_says_nothing_is_let_go_without_a_word() -> None:
    async with crowd() as (_, connect):
        assert await (await connect()).rest() == b""


async def test_an_idle_connection_may_wait_longer_than_a_half_sent_request() -> None:
    async with crowd(patient(head_s=0.1)) as (_, connect):
        wire = await connect()
        for _ in range(2):
            wire.send(HEAD + b"\r\n")
            assert (await wire.answer())[0] == 200
            await a_head_is_late(connect)
        wire.send(HEAD)
        assert (await wire.answer())[0] == 408
        assert await wire.rest() == b""


async def test_an_answer_that_takes_long_is_not_the_clients_fault() -> None:
    async with crowd(patient(head_s=0.1)) as (fleet, connect):
        fleet.metrics.go.clear()
        wire = await connect()
        wire.send(SCRAPE)
        await fleet.metrics.asked.wait()
        wire.send(HEAD)  # the beginning of the next one, pipelined
        await a_head_is_late(connect)
        fleet.metrics.go.set()
        assert (await wire.answer())[0] == 200
        wire.send(b"\r\n")
        assert (await wire.answer())[0] == 200


async def test_huge_heads_are_refused() -> None:
    async with crowd() as (_, connect):
        wire = await connect()
        wire.send(HEAD + b"X-Long: " + b"a" * 20_000 + b"\r\n\r\n")
        assert (await wire.answer())[0] == 400


# --- number ---


async def test_the_last_connection_of_an_address_is_for_scrapes_and_probes() -> None:
    async with crowd(patient()) as (fleet, connect):
        idle = [await connect() for _ in range(3)]
        wire = await connect()
        for path, status in ((b"/status", 429), (b"/metrics", 200), (b"/-/healthy", 200), (b"/nowhere", 429)):
            wire.send(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            got, body = await wire.answer()
            assert got == status, path
            assert got == 200 or b"/-/healthy and /metrics" in body
        idle[0].close()
        await eventually(lambda: fleet.server._slots._all.taken == 3)
        wire.send(HEAD + b"\r\n")
        assert (await wire.answer())[0] == 200


async def test_scrapes_get_through_a_crowd_of_idle_clients() -> None:
    async with crowd(patient()) as (_, connect):
        crowd_ = [await connect() for _ in range(40)]
        for _ in range(5):
            wire = await connect()
            wire.send(SCRAPE)
            assert (await wire.answer())[0] == 200
        await eventually(lambda: sum(not each.is_closed for each in crowd_) == 3)


async def test_a_scrape_that_is_being_answered_keeps_its_place() -> None:
    async with crowd(patient()) as (fleet, connect):
        fleet.metrics.go.clear()
        for _ in range(3):
            await connect()
        scrape = await connect()
        scrape.send(SCRAPE)
        await fleet.metrics.asked.wait()
        assert await (await connect()).rest() == b""
        fleet.metrics.go.set()
        assert (await scrape.answer())[0] == 200


async def test_a_trusted_proxy_speaks_for_many() -> None:
    settings = WebSettings(
        listen=(("127.0.0.1", 0),),
        access=AccessRules(KEYS, trusted_proxies=(ip_network("127.0.0.1"),)),
        limits=Limits(connections_of_one=1, connections=4),
    )
    async with crowd(settings) as (_, connect):
        for number in range(5):
            wire = await connect()
            wire.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await wire.answer())[0] == (200 if number < 4 else 429)


async def test_failures_are_counted_for_the_client_behind_the_proxy() -> None:
    access = AccessRules(KEYS, trusted_proxies=(ip_network("127.0.0.1"),))
    async with Fleet(WebSettings(listen=(("127.0.0.1", 0),), access=access)) as fleet:

        async def ask(client: str, key: str = "guess") -> int:
            return (await fleet.call("/status", headers={"X-Forwarded-For": client, "X-API-Key": key})).status

        assert [await ask("198.51.100.1") for _ in range(11)] == [401] * 10 + [429]
        assert await ask("198.51.100.2") == 401
        assert await ask("198.51.100.1", "read-key-text") == 200


async def test_slots_are_free_again_after_use() -> None:
    async with crowd(patient()) as (fleet, connect):
        for _ in range(20):
            wire = await connect()
            wire.send(b"GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert (await wire.answer())[0] == 200
            await wire.rest()
            await eventually(lambda: fleet.server._slots._all.taken == 0)
        assert fleet.server._slots._groups == {}
