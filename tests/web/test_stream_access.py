"""Who may read the live feed: keys for scripts, tickets for browsers, and nothing for pages of somebody else."""

import base64
from pathlib import Path

import aiohttp
import bcrypt
import pytest
from structlog.testing import capture_logs

from exporter.web.failures import MOST_FAILURES, WINDOW_S
from exporter.web.keys import AccessRules
from exporter.web.settings import WebSettings
from exporter.web.stream.hub import LOOK_S
from exporter.web.tickets import LIFE_S, Admission
from exporter.web_config import load_web_config
from tests.eventually import eventually
from tests.web.fleet import ADMIN_KEY, KEYS, READ_KEY, Fleet
from tests.web.streams import EVENTS, pass_on, streaming

CLOSED = WebSettings(listen=(("0.0.0.0", 0),), access=AccessRules(KEYS))  # noqa: S104
OPEN = WebSettings(listen=(("0.0.0.0", 0),), access=AccessRules(KEYS, open_reads=True))  # noqa: S104
READ = {"X-API-Key": READ_KEY}
BOTH = pytest.mark.parametrize("sse", [False, True], ids=["websocket", "sse"])
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


async def ticket(fleet: Fleet, key: str = READ_KEY) -> str:
    answer = await fleet.call("/api/v1/stream-tickets", "POST", headers={"X-API-Key": key})
    assert answer.status == 201, await answer.text()
    return str((await answer.json())["ticket"])


async def code_of(fleet: Fleet, query: str = "", headers: dict[str, str] | None = None) -> int:
    """Return the status with which a stream is refused, or 200; as a browser's EventSource would ask."""
    async with fleet.client.get(fleet.url(f"/status/stream{query}"), headers=EVENTS | (headers or {})) as answer:
        return answer.status


# --- keys ---


@BOTH
async def test_a_key_opens_a_stream_beyond_loopback(sse: bool) -> None:
    async with Fleet(CLOSED) as fleet:
        for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer wrong"}):
            asked = headers | (EVENTS if sse else HANDSHAKE)
            assert (await fleet.call("/status/stream", headers=asked)).status == 401
        for headers in ({"X-API-Key": READ_KEY}, {"Authorization": f"Bearer {ADMIN_KEY}"}):
            async with streaming(fleet, sse=sse, headers=headers) as stream:
                await stream.take(lambda stream=stream: stream.replica.complete)  # type: ignore[misc]


@BOTH
async def test_a_revoked_key_ends_its_streams_and_no_others(sse: bool) -> None:
    async with Fleet(CLOSED) as fleet:
        by_ticket = await ticket(fleet)
        unused = await ticket(fleet)
        async with (
            streaming(fleet, sse=sse, headers=READ) as revoked,
            streaming(fleet, f"?ticket={by_ticket}", sse=sse) as too,
            streaming(fleet, sse=sse, headers={"X-API-Key": ADMIN_KEY}) as stays,
        ):
            for stream in (revoked, too, stays):
                await stream.take(lambda stream=stream: stream.replica.complete)  # type: ignore[misc]
            fleet.server.change_access(AccessRules(KEYS[1:]))
            for stream in (revoked, too):
                assert await stream.end() == (None if sse else 1008)
            fleet.add("new")
            await pass_on(fleet)
            await stays.take(lambda: "change" in stays.replica.types)
            assert fleet.streams.dropped == {"revoked": 2}
            assert await code_of(fleet, f"?ticket={unused}") == 401


async def test_streams_end_when_reads_are_closed() -> None:
    async with Fleet(OPEN) as fleet, streaming(fleet) as stream:
        await stream.take(lambda: stream.replica.complete)
        fleet.server.change_access(AccessRules(KEYS))
        assert await stream.end() == 1008


# --- tickets ---


@BOTH
async def test_a_ticket_opens_one_stream(sse: bool) -> None:
    async with Fleet(CLOSED) as fleet:
        answer = await fleet.call("/api/v1/stream-tickets", "POST", headers=READ)
        said = await answer.json()
        assert answer.status == 201
        assert answer.headers["Cache-Control"] == "no-store"
        assert list(said) == ["ticket", "expires_at"]
        assert said["expires_at"] == "2027-01-15T08:00:30.000Z"
        query = f"?kind=bot&ticket={said['ticket']}"
        async with streaming(fleet, query, sse=sse) as stream:
            await stream.take(lambda: stream.replica.complete)
            fleet.clock.skip(LIFE_S * 2)  # the stream may last longer than its ticket
            assert await code_of(fleet, query) == 401
            fleet.add("new")
            await fleet.clock.advance(LOOK_S)
            await stream.take(lambda: "change" in stream.replica.types)


async def test_a_ticket_is_for_the_feed_only_and_for_thirty_seconds() -> None:
    async with Fleet(CLOSED) as fleet:
        one = await ticket(fleet)
        assert (await fleet.call(f"/status?ticket={one}")).status == 401
        assert (await fleet.call("/status", headers={"X-API-Key": one})).status == 401
        assert (await fleet.call("/api/v1/stream-tickets", "POST")).status == 401
        fleet.clock.skip(LIFE_S - 0.1)
        assert await code_of(fleet, f"?ticket={one}") == 200
        late = await ticket(fleet)
        fleet.clock.skip(LIFE_S)
        assert await code_of(fleet, f"?ticket={late}") == 401


async def test_a_ticket_that_is_not_good_is_refused_where_no_key_is_needed_too(fleet: Fleet) -> None:
    answer = await fleet.call("/api/v1/stream-tickets", "POST")
    one = (await answer.json())["ticket"]
    assert [await code_of(fleet, f"?ticket={each}") for each in (one, one, "made-up", "")] == [200, 401, 401, 200]
    async with fleet.client.get(fleet.url("/status/stream?ticket=made-up"), headers=HANDSHAKE) as refused:
        assert refused.status == 401
        assert "WWW-Authenticate" in refused.headers
        assert "get another" in (await refused.json())["detail"]


async def test_guessing_tickets_is_limited_and_a_right_one_still_passes() -> None:
    async with Fleet(CLOSED) as fleet:
        good = await ticket(fleet)
        codes = [await code_of(fleet, f"?ticket=guess{number}") for number in range(MOST_FAILURES + 2)]
        assert codes == [401] * MOST_FAILURES + [429] * 2
        assert await code_of(fleet, headers={"X-API-Key": "wrong"}) == 429  # they count as wrong keys do
        assert await code_of(fleet, f"?ticket={good}") == 200
        fleet.clock.skip(WINDOW_S)
        assert await code_of(fleet, "?ticket=guess") == 401


async def test_there_are_only_so_many_tickets(fleet: Fleet) -> None:
    tickets = fleet.server._gate._tickets
    assert tickets is not None
    while tickets.issue(Admission(lambda: True)) is not None:
        pass
    answer = await fleet.call("/api/v1/stream-tickets", "POST")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
    fleet.clock.skip(LIFE_S)
    assert (await fleet.call("/api/v1/stream-tickets", "POST")).status == 201


async def test_tickets_show_up_nowhere() -> None:
    with capture_logs() as logs:
        async with Fleet(CLOSED) as fleet:
            one = await ticket(fleet)
            texts = []
            for query in (f"?ticket={one}&kind=nothing", f"?ticket={one}", "?ticket=made-up-ticket", f"?tickets={one}"):
                answer = await fleet.call(f"/status/stream{query}", headers=EVENTS)
                assert answer.status in (401, 422)
                texts.append(await answer.text() + str(answer.headers))
            kept = repr(vars(fleet.server._gate)) + repr(vars(fleet.server._gate._tickets))
    assert not any(word in str(logs) + "".join(texts) + kept for word in (one, "made-up-ticket", READ_KEY))


# --- pages of somebody else ---


FOREIGN = ("https://evil.example", "null", "http://127.0.0.1:1", "//[")


@pytest.mark.parametrize("origin", FOREIGN)
async def test_foreign_pages_may_not_read_the_feed(fleet: Fleet, origin: str) -> None:
    said = {"Origin": origin}
    one = (await (await fleet.call("/api/v1/stream-tickets", "POST")).json())["ticket"]
    for upgrade in ("websocket", "WebSocket", " websocket\t"):
        asked = HANDSHAKE | said | {"Upgrade": upgrade}
        assert (await fleet.call(f"/status/stream?ticket={one}", headers=asked)).status == 403
    assert await code_of(fleet, f"?ticket={one}", said) == 403
    assert (await fleet.call("/api/v1/stream-tickets", "POST", headers=said)).status == 403
    # Whatever else is asked with it is no stream.
    for upgrade in ("websocket, h2c", "h2c, websocket", "h2c"):
        assert (await fleet.call("/status/stream", headers=HANDSHAKE | said | {"Upgrade": upgrade})).status == 406
    assert await code_of(fleet, f"?ticket={one}", {"Origin": fleet.url("")}) == 200


async def test_a_rebound_name_may_not_read_the_feed(fleet: Fleet) -> None:
    said = {"Host": "rebound.example", "Origin": "http://rebound.example"}
    assert await code_of(fleet, headers=said) == 421
    assert (await fleet.call("/status/stream", headers=HANDSHAKE | said)).status == 421


async def test_a_page_of_ours_opens_a_websocket(fleet: Fleet) -> None:
    async with streaming(fleet, headers={"Origin": fleet.url("")}) as stream:
        await stream.take(lambda: stream.replica.complete)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with streaming(fleet, headers={"Origin": "https://evil.example"}):
            pass
    assert refused.value.status == 403
    await eventually(lambda: not +fleet.streams.clients)


# --- basic auth ---


async def test_a_user_of_basic_auth_reads_the_feed_until_the_users_change(tmp_path: Path) -> None:
    def users(password: bytes) -> None:
        text = f"basic_auth_users:\n  ann: {bcrypt.hashpw(password, bcrypt.gensalt(4)).decode()}\n"
        (tmp_path / "web.yml").write_text(text)

    users(b"pass")
    settings = WebSettings(
        listen=(("127.0.0.1", 0),), access=AccessRules(KEYS), web_config=load_web_config(tmp_path / "web.yml")
    )
    login = {"Authorization": "Basic " + base64.b64encode(b"ann:pass").decode()}
    async with Fleet(settings) as fleet:
        assert await code_of(fleet) == 401
        answer = await fleet.call("/api/v1/stream-tickets", "POST", headers=login)
        one = (await answer.json())["ticket"]
        async with (
            streaming(fleet, f"?ticket={one}") as page,
            streaming(fleet, headers=login) as script,
            streaming(fleet, headers=READ) as keyed,
        ):
            for stream in (page, script, keyed):
                await stream.take(lambda stream=stream: stream.replica.complete)  # type: ignore[misc]
            live = fleet.server._live
            assert live is not None
            await live.look()
            assert not fleet.streams.dropped
            users(b"another")
            await live.look()
            assert [await page.end(), await script.end()] == [1008, 1008]
            assert fleet.streams.clients["websocket"] == 1
            assert keyed.replica.complete
