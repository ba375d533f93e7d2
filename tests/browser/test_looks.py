"""How the page looks: on every width, in light and dark. With `--screenshots` these are the README's pictures."""

import time
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from exporter.errors import AuthReason
from exporter.model import events as ev
from exporter.model.record import replace
from exporter.model.states import EntrantStatus, LobbyState, RaceState
from exporter.model.status import Entrant, LobbyPlayer, Maintenance
from exporter.platforms.dota2.options import DOTA2
from tests.browser.rig import Rig, page_rig
from tests.browser.viewer import PHONE, Viewer
from tests.web.fleet import LOBBY_ID, lobby, race_view

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAMES = ("Amberleaf", "Brook", "Cinder", "Dapple", "Ember", "Fable", "Gale", "Hazel", "Iris", "Juniper", "Kestrel")
LOBBIES = (
    ("lobby-1", "Harbour Cup #12", LobbyState.IN_GAME, 10),
    ("lobby-2", "Thursday inhouse", LobbyState.READY, 10),
    ("lobby-3", "Captains' practice", LobbyState.WAITING, 7),
    ("lobby-4", "Turbo tournament", LobbyState.IN_GAME, 10),
)
RACES = (
    ("alttpr", "lucky-otter-6501", RaceState.IN_PROGRESS, "Beat the game", 6),
    ("alttpr", "cosmic-puffin-7135", RaceState.OPEN, "All dungeons", 3),
    ("ootr", "jolly-beacon-4241", RaceState.IN_PROGRESS, "Triforce blitz", 9),
)
MINUTE = 60.0


def a_day(rig: Rig) -> None:
    """A fleet on an ordinary day: most of it works, some of it needs somebody."""
    now = time.time()
    rig.program.process.started_at = now - MINUTE * 4000
    at = iter(now - MINUTE * minutes for minutes in range(400, 10, -7))
    for bot in ("alttpr", "ootr", "smz3", "sm", "mmr"):
        rig.add(bot)
        rig.connect(bot, at=next(at))
    for number in range(1, 9):
        rig.add(f"lobby-{number}", DOTA2, subject=f"league_host_{number}")
        if number != 8:
            rig.connect(f"lobby-{number}", at=next(at))
    for number, (bot, name, state, count) in enumerate(LOBBIES):
        players = tuple(
            LobbyPlayer(76561198000000000 + place, NAMES[place], ("radiant", "dire")[place % 2], place // 2 + 1)
            for place in range(count)
        )
        lobby_id = LOBBY_ID + number
        record = replace(lobby(bot, lobby_id=lobby_id), key=str(lobby_id), name=name, state=state, players=players)
        record = replace(record, created_at=now - MINUTE * 12, has_password=number == 1)
        rig.lobby(record, "in_game" if state is LobbyState.IN_GAME else "in_lobby")
    for bot, slug, race_state, goal, count in RACES:
        entrants = tuple(
            Entrant(f"u{place}", NAMES[place], None, EntrantStatus.DONE, place + 1, 4210.0 + 37 * place)
            if place < 2 and race_state is RaceState.IN_PROGRESS
            else Entrant(f"u{place}", NAMES[place], None, EntrantStatus.IN_PROGRESS, None, None)
            for place in range(count)
        )
        started = now - MINUTE * 74 if race_state is RaceState.IN_PROGRESS else None
        view = replace(race_view(slug, state=race_state), category=bot, goal_name=goal, entrants_count=count)
        rig.race(bot, replace(view, started_at=started, entrants=entrants))
    rig.refuse("sm", "racetime.gg refused the client id and secret: compare them with the category's page", 553.0)
    rig.lose("lobby-6", "Steam closed the connection, and none of its servers can be reached")
    wanted = "Steam wants the code that it has sent by e-mail: hand it in"
    rig.store.apply(ev.ConnectStarted("lobby-8", now))
    rig.store.apply(ev.GuardCodeRequested("lobby-8", now, "email", AuthReason.GUARD_CODE_REQUIRED, wanted))
    rig.store.apply(ev.MaintenanceBegan("smz3", now, Maintenance(now + 3600, "new settings", "boss")))
    rig.store.apply(ev.BotStopped("mmr", now))


async def overflow(page: Page) -> int:
    return int(await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


async def test_no_width_needs_scrolling_sideways(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        a_day(rig)
        page = await viewer.open(rig.url, PHONE, touch=True)
        await page.locator("#lobbies summary").first.click()
        await expect(page.locator("#lobbies .people").first).to_be_visible()
        for width in (320, 390, 600, 899, 900, 1000, 1001, 1270, 1271, 1440, 2560):
            await page.set_viewport_size({"width": width, "height": 900})
            await page.wait_for_function("(width) => document.documentElement.clientWidth === width", arg=width)
            assert await overflow(page) == 0, width
            cut = await page.evaluate(
                """[...document.querySelectorAll("td, .badge, .figures dd, .c-name a")]
                .filter((each) => each.offsetParent !== null && each.getBoundingClientRect().right > innerWidth)
                .map((each) => each.outerHTML.slice(0, 120))"""
            )
            assert cut == [], width
        await page.set_viewport_size({"width": 320, "height": 640})
        await page.locator("#bots a.name").first.click()
        await expect(page.locator("#timeline li").first).to_be_visible()
        await page.wait_for_function(
            "(box => box.x === 0 && box.width === 320)(document.getElementById('details').getBoundingClientRect())"
        )


async def test_dark_is_dark_and_light_is_light(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        a_day(rig)
        brightness = """[document.body, document.querySelector("table"), document.querySelector(".health")]
            .map((each) => getComputedStyle(each).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number))
            .map((rgb) => Math.max(...rgb))"""
        light = await viewer.open(rig.url)
        assert min(await light.evaluate(brightness)) > 240
        dark = await viewer.open(rig.url, scheme="dark")
        assert max(await dark.evaluate(brightness)) < 60
        await dark.locator("#theme").click()
        await expect(dark.locator("html")).to_have_attribute("data-theme", "light")
        assert min(await dark.evaluate(brightness)) > 240  # who wants it otherwise says so


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_trouble_is_in_the_first_view(
    viewer: Viewer, tmp_path: Path, picture: Path | None, scheme: str
) -> None:
    async with page_rig(tmp_path) as rig:
        a_day(rig)
        for kind, size in (("desk", (1280, 900)), ("phone", PHONE)):
            page = await viewer.open(rig.url, size, scheme=scheme, touch=kind == "phone")
            await expect(page.locator("#headline")).to_have_text("3 of 13 bots are failing")
            await expect(page.locator("#bots a.name").first).to_have_text("lobby-8")
            for part in ("#headline", "#subline", "#bots tr:first-child a.name"):
                box = await page.locator(part).bounding_box()
                assert box is not None
                assert box["y"] + box["height"] < size[1], part
            if picture is not None:
                await page.screenshot(path=picture / f"page-{kind}-{scheme}.png")
        if picture is not None and scheme == "light":
            page = await viewer.open(f"{rig.url}#bots/sm", (1280, 900))
            await expect(page.locator("#timeline li").first).to_be_visible()
            await page.screenshot(path=picture / "bot-desk-light.png")
