"""The page's policy is strict, and a viewer would notice if the page broke it."""

from pathlib import Path

import pytest

from tests.browser.rig import page_rig
from tests.browser.viewer import Viewer

pytestmark = pytest.mark.asyncio(loop_scope="session")

_INJECT = """
const script = document.createElement("script");
script.textContent = "globalThis.owned = true";
document.body.append(script);
const picture = document.createElement("img");
picture.src = "https://elsewhere.example/spy.png";
document.body.append(picture);
const styled = document.createElement("p");
styled.innerHTML = "<b style='color: red' onclick='owned = true'>x</b>";
document.body.append(styled);
"""


async def test_what_is_injected_is_blocked_and_noticed(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        page = await viewer.open(rig.url)
        assert await page.evaluate("violations") == []
        notes = viewer.notes(page)
        assert notes.complaints == []
        await page.evaluate(_INJECT)
        await page.wait_for_function("violations.length >= 4")
        assert await page.evaluate("globalThis.owned === undefined")
        directives = {each.split(":")[0] for each in await page.evaluate("violations")}
        assert directives == {"script-src-elem", "img-src", "style-src-attr", "script-src-attr"}
        assert any("Content Security Policy" in each for each in notes.complaints)
        await page.evaluate("violations.length = 0")
        notes.complaints.clear()


async def test_only_this_server_is_asked(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        rig.working("alttpr")
        page = await viewer.open(f"{rig.url}#bots/alttpr")
        await page.locator("#timeline li").first.wait_for()
        origin = rig.url.removeprefix("http:").rstrip("/")
        addresses = viewer.notes(page).addresses
        assert len(addresses) > 10
        assert all(each.split(":", 1)[1].startswith(origin) for each in addresses)
        assert any(each.startswith("ws:") for each in addresses)
        assert await page.evaluate("document.cookie") == ""
