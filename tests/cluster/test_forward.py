"""Orders at any process: they reach the one whose bot they are about, and its answer comes back. Never a guess."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from exporter.model import events as ev
from exporter.model.record import replace as changed
from exporter.model.states import LobbyState
from exporter.web.control.elsewhere import PASSED_ON
from exporter.web.keys import AccessKey, AccessRules
from exporter.web.settings import WebSettings
from exporter.web_config import load_web_config
from tests.certificates import authority, issue
from tests.cluster.nodes import HERE, NEW_LOBBY, Answer, Node, nodes, spec
from tests.eventually import LIMIT_S, eventually, until
from tests.web.fleet import ADMIN_KEY, RACETIME, lobby, race_view

BOTS = (spec("ann"), spec("ben"), spec("cat"), spec("alttpr", RACETIME))
PASSED = {PASSED_ON: "three"}


def knows(node: Node, *names: str) -> bool:
    return all(name in node.fleet.bots and node.fleet.bots[name].ready for name in names)


async def test_an_order_reaches_the_owner_and_its_answer_comes_back(database: str) -> None:
    async with nodes(database, "one", "two", bots=BOTS) as (one, two):
        await two.run("ben")
        await eventually(lambda: knows(one, "ben"))
        done = await one.call("/api/v1/bots/ben/maintenance", "POST", {"reason": "new cables"})
        assert (done.status, done.headers["Bot-Exporter-Instance"]) == (200, "two")
        assert (done.body["maintenance"]["reason"], done.body["maintenance"]["by"]) == ("new cables", "boss")
        assert done.body["instance"] == "two"
        assert two.store.bots["ben"].maintenance is not None
        order = await one.call(f"/api/v1/orders/{done.headers['Order-Id']}")  # any process knows it
        assert (order.body["state"], order.body["bot"], order.body["actor"]) == ("done", "ben", "boss")
        told = await until(lambda: one.shown("/status/history?kind=order"), lambda page: page["items"])
        assert told["items"][0]["bot"] == "ben"
        refused = await one.call("/api/v1/bots/ben_account/guard-code", "POST", {"code": "ABC12"})
        assert (refused.status, refused.headers["Content-Type"]) == (409, "application/problem+json")
        assert "no guard codes" in refused.body["detail"]
        stopped = await one.call("/api/v1/bots/ben/stop", "POST")
        assert (stopped.status, stopped.body["is_active"]) == (200, False)
        missing = await one.call("/api/v1/bots/nobody/stop", "POST")
        assert missing.status == 404
        wrong = await one.call("/api/v1/bots/ben/maintenance", "POST", {"reason": 1})
        assert (wrong.status, wrong.body["errors"]) == (422, ["reason: must be a string"])


async def test_a_lobby_with_any_free_bot_of_the_fleet(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Local bots come first; then those of others, each once; then none is free, and that is said."""
    monkeypatch.setattr("exporter.cluster.exchange.CATCH_UP_S", LIMIT_S)
    async with nodes(database, "one", "two", "three", bots=BOTS) as (one, two, three):
        await one.run("ann")
        await two.run("ben")
        await three.run("cat")
        await eventually(lambda: knows(one, "ben", "cat"))
        made = [await one.call("/api/v1/lobbies", "POST", NEW_LOBBY) for _ in range(3)]
        assert [each.status for each in made] == [201, 201, 201], made
        assert made[0].headers["Bot-Exporter-Instance"] == "one"
        assert {each.body["bot"] for each in made} == {"ann", "ben", "cat"}
        for each in made:
            place = each.headers["Location"]
            assert place == f"/status/lobbies/{each.body['lobby_id']}"
            for node in (one, two, three):  # at once, though nobody may have told yet
                assert (await node.shown(place))["bot"] == each.body["bot"]
        full = await one.call("/api/v1/lobbies", "POST", NEW_LOBBY)
        assert (full.status, full.headers["Retry-After"]) == (503, "10")
        assert "no bot of the whole fleet is free: 3 of 3 are busy" in full.body["detail"]
        lobby = next(each for each in made if each.body["bot"] == "cat")
        launched = await one.call(f"/api/v1/lobbies/{lobby.body['lobby_id']}/launch", "POST")
        assert (launched.status, launched.body["state"], launched.headers["Bot-Exporter-Instance"]) == (
            200,
            "in_game",
            "three",
        )
        assert len(three.bot("cat").created) == len(two.bot("ben").created) == len(one.bot("ann").created) == 1


async def test_many_at_once_never_get_the_same_bot(database: str) -> None:
    """More orders than bots, at processes that all believe that the same bots are free."""
    many = tuple(spec(f"bot-{number}") for number in range(6))
    async with nodes(database, "one", "two", "three", bots=many) as (one, two, three):
        await one.run("bot-0", "bot-1")
        await two.run("bot-2", "bot-3")
        await three.run("bot-4", "bot-5")
        for each in (one, two, three):
            await eventually(lambda each=each: knows(each, *(bot.name for bot in many)))  # type: ignore[misc]
        answers = await asyncio.gather(
            *(node.call("/api/v1/lobbies", "POST", NEW_LOBBY) for node in (one, two, three) for _ in range(4))
        )
        assert Counter(each.status for each in answers) == {201: 6, 503: 6}
        assert len({each.body["bot"] for each in answers if each.status == 201}) == 6


async def test_a_lobby_is_told_of_before_its_order_is_answered(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that whoever gets the answer may ask any process for it."""
    monkeypatch.setattr("exporter.cluster.exchange.CATCH_UP_S", LIMIT_S)
    async with nodes(database, "one", "two", bots=BOTS) as (one, two):
        await two.run("ben")
        await eventually(lambda: knows(one, "ben"))
        two.fall_silent()
        creating = asyncio.create_task(two.call("/api/v1/lobbies", "POST", NEW_LOBBY))
        await eventually(lambda: two.exchange._waiting or creating.done())
        assert not creating.done()
        telling = asyncio.create_task(two.exchange.run())
        made = await creating
        await one.fleet.catch_up()
        assert made.body["lobby_id"] in one.fleet.lobbies
        telling.cancel()
        await asyncio.wait({telling})


async def test_of_what_is_under_way_nobody_has_to_tell(database: str) -> None:
    """The next order goes to a process that has less to do, though the first one has not told what it does."""
    many = tuple(spec(name) for name in ("ann", "ben", "cat", "dan"))
    async with nodes(database, "one", "two", "three", bots=many) as (one, two, three):
        await two.run("ann", "ben")
        await three.run("cat", "dan")
        await eventually(lambda: knows(one, "ann", "ben", "cat", "dan"))
        two.fall_silent()
        for each in ("ann", "ben"):
            two.bot(each).go.clear()
        first = asyncio.create_task(one.call("/api/v1/lobbies", "POST", NEW_LOBBY))
        await eventually(lambda: two.bot("ann").created or two.bot("ben").created)
        second = await one.call("/api/v1/lobbies", "POST", NEW_LOBBY)
        assert (second.status, second.headers["Bot-Exporter-Instance"]) == (201, "three")
        for each in ("ann", "ben"):
            two.bot(each).go.set()
        assert (await first).headers["Bot-Exporter-Instance"] == "two"


async def test_what_is_under_way_and_told_is_not_counted_twice(database: str) -> None:
    """A process with two bots, one of which is just creating a lobby, has one for another."""
    async with nodes(database, "one", "two", bots=BOTS) as (one, two):
        await two.run("ann", "ben")
        await eventually(lambda: knows(one, "ann", "ben"))
        for each in ("ann", "ben"):
            two.bot(each).go.clear()
        first = asyncio.create_task(one.call("/api/v1/lobbies", "POST", NEW_LOBBY))
        busy = await eventually(lambda: next((name for name in ("ann", "ben") if two.bot(name).created), ""))
        creating = changed(lobby(busy, lobby_id=1), state=LobbyState.CREATING, lobby_id=None)
        two.store.apply(ev.LobbyUpdated(busy, two.clock.now(), creating))
        await eventually(lambda: one.fleet.bots[busy].busy)
        other = {"ann": "ben", "ben": "ann"}[busy]
        two.bot(other).go.set()
        second = await one.call("/api/v1/lobbies", "POST", NEW_LOBBY)
        assert (second.status, second.body["bot"]) == (201, other)
        two.bot(busy).go.set()
        assert (await first).status == 201


async def test_an_order_on_a_lobby_that_its_new_process_has_not_found_again(database: str) -> None:
    async with nodes(database, "one", "two", bots=BOTS) as (one, two):
        await two.run("ben")
        two.store.apply(ev.LobbyUpdated("ben", two.clock.now(), lobby("ben", lobby_id=77)))
        await eventually(lambda: "77" in one.fleet.lobbies)
        await two.release("ben")
        await eventually(lambda: one.fleet.lobbies["77"].watched is False)
        one.games["dota2"].hold = True
        await one.take("ben")
        await eventually(lambda: (owner := two.fleet.owner_of("ben")) is not None and owner.name == "one")
        early = await two.call("/api/v1/lobbies/77/launch", "POST")
        assert early.status == 409
        assert "bot ben has not found lobby 77 again yet" in early.body["detail"]


async def test_who_has_no_bot_after_all_passes_the_order_to_nobody(database: str) -> None:
    """What is known of others may be old: the one with most free bots refuses, and the next is asked."""
    async with nodes(database, "one", "two", "three", bots=BOTS) as (one, two, three):
        await two.run("ann", "ben")
        await three.run("cat")
        await eventually(lambda: knows(one, "ann", "ben", "cat"))
        two.fall_silent()
        two.drain.begin()
        made = await one.call("/api/v1/lobbies", "POST", NEW_LOBBY, Idempotency_Key="key-1")
        assert (made.status, made.body["bot"], made.headers["Bot-Exporter-Instance"]) == (201, "cat", "three")
        again = await two.call("/api/v1/lobbies", "POST", NEW_LOBBY, Idempotency_Key="key-1")
        assert (again.status, again.body["lobby_id"]) == (201, made.body["lobby_id"])


async def test_a_named_bot_and_the_older_route(database: str) -> None:
    async with nodes(database, "one", "two", bots=BOTS) as (one, two):
        await one.run("ann")
        await two.run("ben", "cat")
        await eventually(lambda: knows(one, "ben", "cat"))
        named = await one.call("/api/v1/lobbies", "POST", {**NEW_LOBBY, "bot": "cat"})
        assert (named.status, named.body["bot"]) == (201, "cat")
        again = await one.call("/api/v1/lobbies", "POST", {**NEW_LOBBY, "bot": "cat_account"})
        assert (again.status, again.headers["Bot-Exporter-Instance"]) == (409, "two")
        assert "has a lobby already" in again.body["detail"]
        await one.call("/lobby/create", "POST", {"lobby_name": "first"})
        older = await one.call("/lobby/create", "POST", {"lobby_name": "second"})
        assert (older.status, older.body["bot_used"]) == (201, "ben_account")
        typing = await one.call("/api/v1/lobbies", "POST", {**NEW_LOBBY, "bot": "nobody"})
        assert typing.status == 422
        assert "ann, ben, cat" in typing.body["detail"]


async def test_one_key_is_one_order_at_any_process(database: str) -> None:
    """The same key at two processes, also while the order is carried out: one lobby, and one answer."""
    async with nodes(database, "one", "two", "three", bots=BOTS) as (one, two, three):
        await three.run("cat")
        await eventually(lambda: knows(one, "cat") and knows(two, "cat"))
        three.bot("cat").go.clear()
        asked = [asyncio.create_task(_create(node, "key-1")) for node in (one, two, three)]
        await eventually(lambda: three.bot("cat").created)
        late = await one.call("/api/v1/lobbies?wait=0s", "POST", NEW_LOBBY, Idempotency_Key="key-1")
        assert (late.status, late.body["state"]) == (202, "begun")
        began = asyncio.get_running_loop().time()
        waited = await two.call("/api/v1/lobbies?wait=1s", "POST", NEW_LOBBY, Idempotency_Key="key-1")
        assert (waited.status, asyncio.get_running_loop().time() - began >= 1) == (202, True)
        asked.append(asyncio.create_task(_create(two, "key-1")))
        three.bot("cat").go.set()
        answers = await asyncio.gather(*asked)
        assert {each.status for each in answers} == {201}
        assert len({(each.body["lobby_id"], each.headers["Order-Id"]) for each in answers}) == 1
        assert three.bot("cat").created == ["inhouse"]
        other = await two.call("/api/v1/lobbies", "POST", {**NEW_LOBBY, "name": "another"}, Idempotency_Key="key-1")
        assert other.status == 422


async def _create(node: Node, key: str) -> Answer:
    return await node.call("/api/v1/lobbies", "POST", NEW_LOBBY, Idempotency_Key=key)


async def test_an_order_of_a_process_that_died_is_in_doubt(database: str) -> None:
    async with nodes(database, "one", "two", bots=BOTS, life_s=1.5) as (one, two):
        await two.run("ben")
        await eventually(lambda: knows(one, "ben"))
        two.bot("ben").go.clear()
        begun = await one.call("/api/v1/lobbies?wait=0s", "POST", NEW_LOBBY, Idempotency_Key="key-1")
        assert (begun.status, begun.headers["Location"]) == (202, f"/api/v1/orders/{begun.body['order_id']}")
        await two.gone()
        await eventually(lambda: len(one.members.instances()) == 1)
        doubt = await one.call("/api/v1/lobbies", "POST", NEW_LOBBY, Idempotency_Key="key-1")
        assert doubt.status == 409
        assert "its end is not known" in doubt.body["detail"]


async def test_without_an_owner_nothing_is_guessed(database: str) -> None:
    """Nobody runs it, its process does not answer, or has died: 503 with a time to try again, and nothing was done."""
    async with nodes(database, "one", "two", bots=BOTS, life_s=2.0) as (one, two):
        nobody = await one.call("/api/v1/bots/ann/stop", "POST")
        assert (nobody.status, nobody.headers["Retry-After"]) == (503, "5")
        assert "no process runs it" in nobody.body["detail"]
        await two.run("ben")
        await eventually(lambda: knows(one, "ben"))
        await two.web.stop(0)  # it runs on, and cannot be reached
        unreached = await one.call("/api/v1/bots/ben/stop", "POST")
        assert (unreached.status, unreached.headers["Retry-After"]) == (503, "5")
        assert "the process two, which runs the bot, was not reached: nothing was done" in unreached.body["detail"]
        none = await one.call("/api/v1/lobbies", "POST", NEW_LOBBY)
        assert none.status == 503
        await two.gone()
        await until(lambda: one.shown("/status/bots/ben"), lambda bot: bot["status_name"] == "unknown")
        gone = await one.call("/api/v1/bots/ben/stop", "POST")
        assert (gone.status, gone.headers["Retry-After"]) == (503, "5")
        assert "its process two is away" in gone.body["detail"]


async def test_what_was_passed_on_is_not_passed_on_again(database: str) -> None:
    """A bot that has just moved on: whoever gets the order does not send it round in a circle."""
    async with nodes(database, "one", "two", bots=BOTS) as (one, two):
        await two.run("ben")
        await eventually(lambda: knows(one, "ben"))
        moved = await one.call("/api/v1/bots/ben/stop", "POST", None, **PASSED)
        assert (moved.status, moved.headers["Retry-After"]) == (503, "5")
        assert "has just moved" in moved.body["detail"]
        unknown = await one.call("/api/v1/lobbies/123/launch", "POST", None, **PASSED)
        assert unknown.status == 503
        lobby = await one.call("/api/v1/lobbies", "POST", NEW_LOBBY, **PASSED)
        assert lobby.status == 503
        assert two.bot("ben").created == []
        assert two.store.bots["ben"].is_active


@asynccontextmanager
async def _stand_in(handler: Handler) -> AsyncIterator[str]:
    """Listen where a process would, and answer to everything in this way."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def test_an_owner_that_does_not_answer_may_have_done_it(database: str) -> None:
    """Its connection ends without an answer, or nothing comes in time: 504 says that it may have happened."""

    async def cut(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async def silent(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async with nodes(database, "one", "two", bots=BOTS) as (one, two):
        await two.run("ben")
        await eventually(lambda: knows(one, "ben"))
        one.elsewhere._most_wait_s = 0.5
        for handler in (cut, silent):
            async with _stand_in(handler) as url:
                await two.advertise(url)
                await eventually(lambda url=url: one.fleet.owner_of("ben").advertise_url == url)  # type: ignore[misc, union-attr]
                late = await one.call("/api/v1/bots/ben/stop?wait=0s", "POST")
                assert late.status == 504
                assert "it may have been carried out" in late.body["detail"]


async def test_a_key_goes_to_no_other_address(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by a redirect of the owner's address, nor by a proxy that the environment names."""
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response()

    async with _stand_in(elsewhere) as other, nodes(database, "one", "two", bots=BOTS) as (one, two):

        async def redirected(request: web.Request) -> web.Response:
            raise web.HTTPTemporaryRedirect(other + request.path)

        await two.run("ben")
        await eventually(lambda: knows(one, "ben"))
        monkeypatch.setenv("http_proxy", other)
        async with _stand_in(redirected) as url:
            await two.advertise(url)
            await eventually(lambda: one.fleet.owner_of("ben").advertise_url == url)  # type: ignore[union-attr]
            answer = await one.call("/api/v1/bots/ben/stop", "POST")
        assert (answer.status, asked) == (502, [])


async def test_keys_that_differ_are_told_as_that(database: str) -> None:
    def settings(name: str) -> WebSettings:
        other = AccessRules((AccessKey.of("boss", "admin", "another key"),))
        return WebSettings(listen=HERE.listen, access=other) if name == "two" else HERE

    async with nodes(database, "one", "two", bots=BOTS, settings=settings) as (one, two):
        await two.run("ben")
        await eventually(lambda: knows(one, "ben"))
        differ = await one.call("/api/v1/bots/ben/stop", "POST")
        assert differ.status == 502
        assert "same web.keys" in differ.body["detail"]
        assert ADMIN_KEY not in str(differ.body)


@pytest.mark.parametrize("known", [True, False])
async def test_https_between_processes_is_verified(database: str, tmp_path: Path, *, known: bool) -> None:
    """By the authorities that the system has and those of `ca_file`; whose certificate is nobody's gets no key."""
    issue(tmp_path, "server")
    authority().cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "web.yml").write_text("tls_server_config: {cert_file: server.pem, key_file: server.key}\n")

    def settings(name: str) -> WebSettings:
        return replace(HERE, web_config=load_web_config(tmp_path / "web.yml")) if name == "two" else HERE

    ca_file = tmp_path / "ca.pem" if known else None
    async with nodes(database, "one", "two", bots=BOTS, settings=settings, ca_file=ca_file) as (one, two):
        await two.run("ben")
        await eventually(lambda: knows(one, "ben"))
        assert two.url.startswith("https://")
        answer = await one.call("/api/v1/bots/ben/stop", "POST")
        assert answer.status == (200 if known else 503), answer
        assert two.store.bots["ben"].is_active is not known


@pytest.mark.parametrize("at_owner", [True, False])
async def test_races(database: str, *, at_owner: bool) -> None:
    async with nodes(database, "one", "two", bots=BOTS) as (one, two):
        await two.run("alttpr")
        await eventually(lambda: knows(one, "alttpr"))
        node = two if at_owner else one
        opened = await node.call("/api/v1/races", "POST", {"category": "alttpr", "goal": "Beat the game"})
        assert (opened.status, opened.body["name"], opened.body["instance"]) == (201, "alttpr/opened-1", "two")
        two.store.apply(ev.RaceUpdated("alttpr", two.clock.now(), race_view()))
        await eventually(lambda: "alttpr/lucky-link-1" in node.fleet.races)
        said = await node.call("/api/v1/races/alttpr/lucky-link-1/actions", "POST", {"action": "begin"})
        assert (said.status, said.body["answer"]) == (200, {"by": "alttpr"})
        edited = await node.call("/api/v1/races/alttpr/lucky-link-1", "PATCH", {"info_bot": "x"})
        assert (edited.status, edited.headers["Bot-Exporter-Instance"]) == (200, "two")


async def test_draining_and_reload_are_of_one_process(database: str) -> None:
    """A process that drains gives its new lobbies to others; the others do not drain."""
    async with nodes(database, "one", "two", bots=BOTS) as (one, two):
        await one.run("ann")
        await two.run("ben")
        await eventually(lambda: knows(one, "ben"))
        assert (await one.call("/api/v1/drain", "POST")).body["draining"] is True
        assert not two.drain.active
        made = await one.call("/api/v1/lobbies", "POST", NEW_LOBBY)
        assert (made.status, made.body["bot"]) == (201, "ben")
        assert (await one.call("/-/reload", "POST")).headers["Bot-Exporter-Instance"] == "one"
