"""The questions that the documents ask with curl are answered by the running program, with the shipped fleet."""

import asyncio
import re
from pathlib import Path

from tests.contract.test_commands import OURS, requests
from tests.e2e.command import ROOT, exporter
from tests.tools import require_tool

# The documents' names of what the reader has, and what the shipped configuration has.
_OUT_OF_TIME = 28  # curl's exit code for --max-time
NAMES = {"my-bot": "alttpr", "my-category": "sm", "mine": "lobby-1"}


def questions() -> list[str]:
    """Return each address that is asked for, without those of a thing that only an order before would have made."""
    asked = {each.url for _, each in requests() if each.method == "GET" and each.url.startswith(OURS)}
    return sorted(url for url in asked if not re.search(r"/x(?:/|$)", url))


async def test_every_question_is_answered(tmp_path: Path) -> None:
    curl = require_tool("curl", "curl")
    assert len(questions()) >= 20
    web = tmp_path / "web.yml"  # some questions are about that file
    web.write_text("http_server_config: {http2: true}\n")
    async with exporter(ROOT / "config.yaml", tmp_path, f"--web.config.file={web}") as running:
        for question in questions():
            url = question.replace(OURS, running.url)
            for name, real in NAMES.items():
                url = re.sub(rf"/{name}(?=/|$|\?)", f"/{real}", url)
            command = [curl, "--silent", "--show-error", "--fail", url]
            endless = "/status/stream" in url
            if endless:  # it has said much by then
                command += ["--no-buffer", "--max-time", "2", "-H", "Accept: text/event-stream"]
            process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            answer, _ = await process.communicate()
            assert process.returncode == (_OUT_OF_TIME if endless else 0), question
            assert answer, question
