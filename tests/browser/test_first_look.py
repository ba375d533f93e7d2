"""What somebody sees who opens the page, and what changes before their eyes."""

import re
import time
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from exporter.model import events as ev
from exporter.model.record import replace
from exporter.model.states import EntrantStatus, LobbyState, RaceState
from exporter.model.status import Entrant, Maintenance
from exporter.platforms.dota2.options import DOTA2
from tests.browser.rig import REFUSAL, page_rig
from tests.browser.viewer import Viewer
from tests.web.fleet import LOBBY_ID, lobby, race_view

pytestmark = pytest.mark.asyncio(loop_scope="session")

AT_NIGHT = 1767323045.0  # 2026-01-02T03:04:05Z
IN_TEN_MINUTES = re.compile(r"^in (10:0\d|[5-9]:\d\d)$")  # less by what the machine has taken to show it


def cell(page: Page, bot: str, column: str) -> Locator:
    return page.locator(f"tr:has(a[href='#bots/{bot}']) .c-{column}")


async def test_the_fleet_at_a_glance(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        page = await viewer.open(rig.url)
        await expect(page.locator("#headline")).to_have_text("No bots are configured")
        rig.working("alttpr", "ootr")
        await expect(page.locator("#headline")).to_have_text("All 2 bots are working")
        await expect(page.locator("#link-text")).to_have_text("Live")
        rig.working("dire", traits=DOTA2)
        rig.lobby(lobby())
        rig.race("ootr", race_view())
        await expect(page.locator("#available_bots")).to_have_text("1")
        await expect(page.locator("#busy_bots")).to_have_text("2")
        await expect(page.locator("#disconnected_bots")).to_have_text("0")
        await expect(page.locator("#active_lobbies")).to_have_text("1")
        await expect(page.locator("#active_races")).to_have_text("1")
        await expect(page.locator("#uptime time")).to_have_text(re.compile(r"\d+[sm]"))
        await expect(cell(page, "dire", "work")).to_contain_text("inhouse")  # by its name, not by its id
        await expect(cell(page, "dire", "work")).not_to_contain_text(str(LOBBY_ID))
        await expect(cell(page, "ootr", "work")).to_contain_text("lucky-link-1")
        await expect(cell(page, "alttpr", "work")).to_have_text("")
        await expect(page).to_have_title("bot-exporter")
        await expect(page.locator("pre")).to_contain_text(rig.url.removeprefix("http://").rstrip("/"))


async def test_a_failing_bot_turns_red_and_comes_first_without_a_reload(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        rig.working("alttpr", "sm", "zelda")
        page = await viewer.open(rig.url)
        await expect(page.locator("#bots tr")).to_have_count(3)
        await page.evaluate("globalThis.loadedOnce = true")
        badge = page.locator("tr:has(a[href='#bots/zelda']) .badge").first
        await expect(badge).to_have_class("badge good")
        rig.refuse("zelda")
        await expect(badge).to_have_class("badge bad")
        await expect(badge).to_have_text("Auth Failed")
        await expect(badge.locator("use")).to_have_attribute("href", "#key_off")
        await expect(page.locator("#bots tr").first.locator("a.name")).to_have_text("zelda")
        await expect(page.locator("#headline")).to_have_text("1 of 3 bots is failing")
        await expect(page.locator("#subline")).to_contain_text(REFUSAL)
        await expect(page).to_have_title("(1 failing) bot-exporter")
        await expect(page.locator("#favicon")).to_have_attribute("href", "static/favicon-alert.svg")
        await expect(badge).to_have_css("color", "rgb(176, 27, 27)")  # red
        await expect(cell(page, "zelda", "retry")).to_have_text(IN_TEN_MINUTES)
        rig.connect("zelda")
        await expect(badge).to_have_class("badge good")
        await expect(page.locator("#headline")).to_have_text("All 3 bots are working")
        assert await page.evaluate("loadedOnce") is True


async def test_every_status_has_its_colour_icon_and_words(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        rig.working("works", "fails", "stops")
        rig.add("new")
        rig.add("refused")
        rig.refuse("refused")
        rig.lose("fails")
        rig.store.apply(ev.BotStopped("stops", time.time()))
        page = await viewer.open(rig.url)
        expected = {
            "works": ("good", "check_circle", "Connected"),
            "refused": ("bad", "key_off", "Auth Failed"),
            "fails": ("bad", "error", "Connection Error"),
            "stops": ("warn", "cloud_off", "Disconnected"),
            "new": ("none", "help", "Unknown"),
        }
        for bot, (colour, icon, text) in expected.items():
            badge = page.locator(f"tr:has(a[href='#bots/{bot}']) .c-status .badge").first
            await expect(badge).to_have_class(f"badge {colour}")
            await expect(badge).to_have_text(text)
            await expect(badge.locator("use")).to_have_attribute("href", f"#{icon}")
        await expect(page.locator("#bots a.name")).to_have_text(["refused", "fails", "new", "works", "stops"])
        await expect(cell(page, "stops", "active")).to_contain_text("Inactive")
        await expect(cell(page, "stops", "status")).to_contain_text("Bot stopped manually")


async def test_the_tooltip_has_the_error_for_pointer_and_keyboard(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        rig.working("alttpr")
        rig.add("sm")
        rig.refuse("sm")
        page = await viewer.open(rig.url)
        badge = page.locator("tr:has(a[href='#bots/sm']) .c-status .badge")
        tip = page.locator("#tip")
        await expect(tip).to_be_hidden()
        await badge.hover()
        await expect(tip).to_have_text(f"invalid credentials: {REFUSAL}")
        await expect(badge).to_have_attribute("aria-describedby", "tip")
        await tip.hover()  # it stays while the pointer is over it
        await expect(tip).to_be_visible()
        await page.mouse.move(5, 5)
        await expect(tip).to_be_hidden()
        await page.locator("a[href='#bots/sm']").last.focus()
        await page.keyboard.press("Tab")
        await expect(badge).to_be_focused()
        await expect(tip).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(tip).to_be_hidden()
        healthy = page.locator("tr:has(a[href='#bots/alttpr']) .c-status .badge")
        await expect(healthy).not_to_have_attribute("tabindex", re.compile(""))  # nothing to say: nothing to stop at


async def test_times_are_those_of_the_reader(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        rig.add("alttpr")
        rig.connect("alttpr", at=AT_NIGHT)
        for zone, shown in (("Asia/Tokyo", "2 Jan, 12:04:05"), ("America/New_York", "1 Jan, 22:04:05")):
            page = await viewer.open(rig.url, zone=zone)
            connected = cell(page, "alttpr", "connected")
            await expect(connected).to_contain_text(shown)
            days = int((time.time() - AT_NIGHT) // 86400)
            await expect(connected).to_have_text(re.compile(rf"^{days}d( \d+h)? ago"))
            await expect(page.locator("#zone")).to_have_text(zone)


async def test_times_go_by_the_clock_of_the_server(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        rig.add("sm")
        rig.refuse("sm")
        page = await viewer.open(rig.url, ready=False)
        await page.clock.install(time=time.time() - 7200)  # a browser that is two hours slow
        await page.reload()
        await page.clock.run_for(1500)
        await expect(page.locator(".c-retry time")).to_have_text(IN_TEN_MINUTES)


async def test_maintenance_is_no_failure(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        rig.working("alttpr", "sm")
        rig.store.apply(ev.MaintenanceBegan("sm", time.time(), Maintenance(None, "new cables", "boss")))
        rig.lose("sm")
        page = await viewer.open(rig.url)
        await expect(page.locator("#headline")).to_have_text("1 of 2 bots working, none failing")
        await expect(page.locator("#subline")).to_contain_text("1 in maintenance")
        await expect(cell(page, "sm", "active")).to_have_text("Maintenance")
        await page.locator("tr:has(a[href='#bots/sm']) .c-active .badge").hover()
        await expect(page.locator("#tip")).to_have_text("Maintenance: new cables")
        rig.store.apply(ev.MaintenanceEnded("sm", time.time()))
        await expect(page.locator("#headline")).to_have_text("1 of 2 bots is failing")


async def test_lobbies_have_teams_and_races_have_entrants(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        rig.working("dire", traits=DOTA2)
        rig.working("alttpr")
        creating = replace(lobby(lobby_id=None), state=LobbyState.CREATING, players=())
        rig.lobby(creating)
        page = await viewer.open(rig.url)
        await expect(page.locator(".c-work").filter(has_text="creating")).to_have_count(1)
        rig.store.apply(ev.LobbyForgotten("dire", time.time(), creating.key))
        rig.lobby(lobby())
        runner = Entrant("u2", "Ben", "Blue", EntrantStatus.DONE, 1, 3723.5)
        view = replace(race_view(state=RaceState.IN_PROGRESS), started_at=time.time() - 3965, entrants_count=2)
        rig.race("alttpr", replace(view, entrants=(*view.entrants, runner)))
        card = page.locator(f"[id='lobbies/{LOBBY_ID}']")
        await expect(card).to_contain_text("1 vs 1, 1 watching")
        await expect(card.locator(".people")).to_have_count(0)  # only put together for who looks
        await card.locator("summary").click()
        teams = card.locator(".teams section")
        await expect(teams).to_have_text(["Radiant1Puck", "Dire1Lina", "Watching1Cam"])
        await page.locator("tr:has(a[href='#bots/alttpr']) .c-work a").click()
        race = page.locator("[id='races/alttpr/lucky-link-1']")
        await expect(race).to_have_attribute("open", "")
        await expect(race.locator(".people li").first).to_have_text(re.compile(r"1\.Benteam Blue1:02:03"))
        await expect(race.locator("summary")).to_contain_text(re.compile("running for 1h [67]m"))
        rig.race("alttpr", replace(view, state=RaceState.FINISHED))
        await expect(page.locator("tr:has(a[href='#bots/alttpr']) .c-work")).to_have_text("")
        await expect(race.locator(".badge")).to_have_text("finished")


async def test_a_bot_has_details_and_a_history_that_goes_on(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        rig.working("alttpr", "sm")
        page = await viewer.open(rig.url)
        await page.locator("#bots a[href='#bots/sm']").click()
        await expect(page.locator("#details")).to_be_visible()
        await expect(page.locator("#details-name")).to_have_text("sm")
        await expect(page.locator("#timeline li").first).to_contain_text("Status unknown → connected")
        rig.refuse("sm")
        await expect(page.locator("#details-why")).to_have_text(f"invalid credentials: {REFUSAL}")
        await expect(page.locator("#timeline")).to_contain_text("Status connected → auth failed")
        await page.locator("#kinds").select_option("status error")
        await expect(page.locator("#timeline")).not_to_contain_text("State")
        await expect(page.locator("#timeline")).to_contain_text(REFUSAL)
        await page.keyboard.press("Escape")
        await expect(page.locator("#details")).to_be_hidden()
        await expect(page).to_have_url(re.compile("^[^#]*$"))
        linked = await viewer.open(f"{rig.url}#bots/alttpr")  # a link to one bot
        await expect(linked.locator("#details-name")).to_have_text("alttpr")
        rig.store.apply(ev.BotRemoved("alttpr", time.time()))
        await expect(linked.locator("#details")).to_be_hidden()
        await expect(linked.locator("#bots tr")).to_have_count(1)


async def test_older_history_comes_page_by_page(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        rig.working("sm")
        for number in range(40):
            rig.lose("sm", f"trouble {number}")
            rig.connect("sm")
        page = await viewer.open(f"{rig.url}#bots/sm")
        await expect(page.locator("#timeline li")).to_have_count(30)
        await page.locator("#older").click()
        await expect(page.locator("#timeline li")).to_have_count(60)
        rig.lose("sm", "the last trouble")
        await expect(page.locator("#timeline")).to_contain_text("the last trouble")
        await expect(page.locator("#timeline li").nth(60)).to_be_attached()  # the older ones stay


async def test_what_concerns_all_is_said_above(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        rig.working("alttpr")
        rig.race("alttpr", race_view())
        page = await viewer.open(rig.url)
        await expect(page.locator("#draining")).to_be_hidden()
        rig.program.draining.begin()
        await expect(page.locator("#draining")).to_contain_text("Waiting for alttpr/lucky-link-1")
        rig.program.draining.end()
        await expect(page.locator("#draining")).to_be_hidden()
