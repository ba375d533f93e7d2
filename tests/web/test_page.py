"""The page for people: everything from this server, nothing inline, nothing from bots in its text."""

import re
from pathlib import Path

import pytest

import exporter.web
from exporter.errors import AuthReason
from exporter.model.states import BotStatus
from exporter.platforms.dota2.choices import MODES, REGIONS
from tests.web.fleet import Fleet

STATIC = Path(exporter.web.__file__).parent / "static"
FILES = sorted(each.name for each in STATIC.iterdir())


async def test_the_page(fleet: Fleet) -> None:
    answer = await fleet.call("/")
    text = await answer.text()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "$" not in text
    assert "version 1.2.3" in text
    for link in ("metrics", "status", "health"):
        assert f'href="{link}"' in text
    host, port = fleet.server.addresses[0]
    assert f"targets: [&quot;{host}:{port}&quot;]" in text
    assert "metrics_path" not in text


async def test_its_files_are_reachable_by_relative_links(fleet: Fleet) -> None:
    text = await (await fleet.call("/")).text()
    links = {link for link in re.findall(r'(?:src|href)="([^"#]+)"', text) if link.startswith("static/")}
    assert links == {f"static/{name}" for name in FILES} - {"static/index.html", "static/favicon-alert.svg"}
    for link in (*links, "static/favicon-alert.svg"):
        answer = await fleet.call(f"/{link}")
        assert answer.status == 200
        kept = await fleet.call(f"/{link}", headers={"If-None-Match": answer.headers["ETag"]})
        assert (kept.status, await kept.read()) == (304, b"")
        assert kept.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("page.js", "text/javascript"), ("page.css", "text/css"), ("favicon.svg", "image/svg+xml")],
)
async def test_types_of_files(fleet: Fleet, name: str, content_type: str) -> None:
    assert (await fleet.call(f"/static/{name}")).headers["Content-Type"] == f"{content_type}; charset=utf-8"


@pytest.mark.parametrize("name", FILES)
def test_files_obey_the_content_security_policy(name: str) -> None:
    text = (STATIC / name).read_text()
    outside = [url for url in re.findall(r"https?://[^\s\"'`)]+", text) if "www.w3.org/" not in url]
    assert outside == []
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:|@import", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text)


async def test_the_page_needs_no_key_and_tells_no_names(fleet: Fleet) -> None:
    text = await (await fleet.call("/")).text()
    assert "alttpr" not in text
    assert "dire_account" not in text


def test_what_the_modules_name_exists() -> None:
    modules = {each.name: each.read_text() for each in STATIC.glob("*.js")}
    page = (STATIC / "index.html").read_text()
    scripts = "\n".join(modules.values())
    there = set(re.findall(r'\bid="([\w-]+)"', page))
    named = set(re.findall(r'\bat\("([\w-]+)"\)', scripts))
    assert "logons" in named
    assert named <= there
    assert set(re.findall(r'\bfields: "([\w-]+)"', scripts)) <= there
    assert {str(status.icon) for status in BotStatus} <= there
    assert set(re.findall(r'\bicon\("(\w+)"\)', scripts)) <= there
    assert set(re.findall(r'\bbadge\("\w+", "(\w+)"', scripts)) <= there
    assert set(re.findall(r'\bfrom "\./([\w.]+)"', scripts)) < set(modules)
    assert set(re.findall(r"steam\?\.(\w+)", scripts)) == {"logon_cooldown_until", "logon_queue_length"}
    wanted = {AuthReason.GUARD_CODE_REQUIRED, AuthReason.GUARD_CODE_MISMATCH}
    assert set(re.findall(r'"(guard_\w+)"', scripts)) == wanted


async def test_the_form_of_a_lobby_offers_what_the_server_takes(fleet: Fleet) -> None:
    text = await (await fleet.call("/")).text()
    offered = re.findall(r'<option value="([^"]+)"( selected)?>', text)
    for choices, chosen in ((REGIONS, "USE"), (MODES, "AP")):
        values = [each.shown for each in choices.all if each.number > 0]
        assert values == [value for value, _ in offered if value in values]
        assert (chosen, " selected") in offered
        assert [choices.parse(value) for value in values] == [each.number for each in choices.all if each.number > 0]
