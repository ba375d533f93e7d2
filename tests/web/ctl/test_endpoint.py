"""A running exporter says where it is, for as long as it runs."""

import os
import stat
from pathlib import Path

from exporter.endpoint import Endpoint, read_endpoint
from exporter.web.settings import WebSettings
from tests.web.ctl.rig import botctl, running


async def test_the_file_has_prefix_and_path_of_the_metrics(tmp_path: Path) -> None:
    settings = WebSettings(
        listen=(("127.0.0.1", 0),), external_url="https://bots.example.org/fleet", telemetry_path="/other/metrics"
    )
    async with running(tmp_path, settings=settings) as program:
        port = program.web.addresses[0][1]
        found = read_endpoint(tmp_path / "data")
        assert found == Endpoint(
            f"http://127.0.0.1:{port}/fleet", "/other/metrics", os.getpid(), program.process.version
        )
        assert stat.S_IMODE((tmp_path / "data" / "endpoint.json").stat().st_mode) == 0o644 & ~_umask()
        story = await botctl("explain", "lobby-1", data_dir=tmp_path / "data")
        assert (story.code, 'bot_up{bot="lobby-1",platform="dota2"} 1.0' in story.out) == (0, True)
        order = await botctl("stop", "lobby-1", data_dir=tmp_path / "data")
        assert order.code == 0
    assert read_endpoint(tmp_path / "data") is None


async def test_a_file_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "endpoint.json").mkdir()  # a folder where the file should be
    async with running(tmp_path) as program:
        key = str(tmp_path / "data" / "admin.key")
        assert (await botctl("status", "--url", program.url, "--key-file", key)).code == 0


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
