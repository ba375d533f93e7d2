"""The commands of the runbooks, pasted into a shell beside a running exporter."""

import asyncio
import re
from pathlib import Path

from tests.contract.alerts.runbooks import runbooks
from tests.e2e.command import LIMIT_S, ROOT, exporter
from tests.e2e.site import site
from tests.tools import require_tool

BOT = "alttpr"
CURL = "curl -s -o /dev/null -w '%{http_code}\\n'"

# What is not there on a calm day: a bot that waits for a code, that lobby, that race.
OTHERWISE = {"guard-code": "409", "lobbies/29423868172403241": "404", "races/alttpr/lucky-link-1": "404"}


def commands(url: str, key_file: Path) -> list[tuple[str, str]]:
    """Return each command of each page that asks the exporter with curl, with the status that it must have."""
    found = []
    for page in runbooks():
        for line in [*page.commands, *re.findall(r"`(curl [^`]+)`", page.text)]:
            if not line.startswith("curl ") or "127.0.0.1:9977" not in line:
                continue
            asked = line.partition(" | ")[0].replace("http://127.0.0.1:9977", url).replace("my-bot", BOT)
            shown = re.sub(r"^curl -s(?: -o /dev/null -w '[^']*')?", lambda _: CURL, asked)
            status = next((status for part, status in OTHERWISE.items() if part in shown), "200")
            found.append((f'key="X-API-Key: $(cat {key_file})"; {shown}', status))
    return found


async def test_every_command_with_curl_works(tmp_path: Path) -> None:
    require_tool("curl", "curl")
    data = tmp_path / "data"
    async with site(tmp_path) as held, exporter(held.config, data) as running:
        lines = commands(running.url, data / "admin.key")
        assert len(lines) > 50
        for line, expected in lines:
            process = await asyncio.create_subprocess_exec(
                *("bash", "-euo", "pipefail", "-c", line), stdout=asyncio.subprocess.PIPE, cwd=ROOT
            )
            async with asyncio.timeout(LIMIT_S):
                out, _ = await process.communicate()
            assert out.decode().strip() == expected, line
