"""What a newcomer sees with the shipped configuration, and how the command behaves."""

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from exporter.cli import main
from tests.e2e.command import COMMAND, LIMIT_S, ROOT, Ended, exporter, run_to_end
from tests.e2e.site import site
from tests.eventually import eventually

SHIPPED = ROOT / "config.yaml"
PLATFORMS = ("racetime", "dota2")


async def test_the_shipped_configuration_shows_everything(tmp_path: Path) -> None:
    async with exporter(SHIPPED, tmp_path) as running, aiohttp.ClientSession(running.url) as session:
        text = "\n".join(running.greeting)
        for place in (
            "12 bots",
            "status page",
            "metrics",
            "JSON",
            "health",
            "racetime.gg that plays",
            "Dota 2 is played",
        ):
            assert place in text
        deadline = time.monotonic() + 60
        while True:
            async with session.get("/status") as response:
                status = await response.json()
            system, lobbies = status["system"], status["lobbies"]
            connected, races = system["bot_status_summary"]["connected"], system["active_races"]
            if connected == 12 and races >= 3 and any(lobby["state"] == "in_game" for lobby in lobbies):
                break
            assert time.monotonic() < deadline, status
            await asyncio.sleep(0.1)
        platforms = {platform: [bot for bot in status["bots"] if bot["platform"] == platform] for platform in PLATFORMS}
        assert {bot["category"] for bot in platforms["racetime"]} == {"alttpr", "ootr", "smz3", "sm"}
        assert {bot["username"] for bot in platforms["dota2"]} == {f"demo-bot-{number}" for number in range(1, 9)}
        assert any(race["entrants"] for race in status["races"])
        playing = next(lobby for lobby in lobbies if lobby["state"] == "in_game")
        assert playing["radiant_count"] >= 1
        assert playing["dire_count"] >= 1
        assert all(player["name"] for player in playing["players"])
        assert playing["match_id"]
        async with session.get("/metrics") as response:
            page = await response.text()
        assert 'bot_up{bot="alttpr",platform="racetime"} 1.0' in page
        assert 'bot_up{bot="lobby-1",platform="dota2"} 1.0' in page
        assert "bot_exporter_unexpected_transitions_total 0.0" in page
        async with session.get("/") as response:
            assert "bot-exporter" in await response.text()
        for probe in ("/health", "/-/healthy", "/-/ready"):
            async with session.get(probe) as response:
                assert response.status == 200, probe
        started = time.monotonic()
        running.terminate()
        assert await running.exit_code() == 0
        assert time.monotonic() - started < 10
    noise = [line for line in running.log if "level=info" not in line]
    assert noise == []
    assert not any("secret" in line for line in running.log)


async def test_nobody_needs_to_listen(tmp_path: Path) -> None:
    """As in `bot-exporter | head -1`, or a service manager whose pipe is gone."""
    heard, spoken = os.pipe()
    os.close(heard)
    process = await asyncio.create_subprocess_exec(
        *(str(COMMAND), f"--config.file={SHIPPED}", f"--data.dir={tmp_path}", "--web.listen-address=127.0.0.1:0"),
        stdout=spoken,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(spoken)
    assert process.stderr is not None
    async with asyncio.timeout(LIMIT_S):
        while b"msg=connected" not in (line := await process.stderr.readline()):
            assert line, "the exporter ended"
        process.terminate()
        rest = await process.stderr.read()
        assert await process.wait() == 0, rest


async def test_the_log_can_be_json(tmp_path: Path) -> None:
    async with exporter(SHIPPED, tmp_path, "--log.format=json") as running:
        await eventually(lambda: running.log)
    assert all(line.startswith('{"ts": "') for line in running.log)


async def test_version_and_help() -> None:
    version = await run_to_end("--version")
    assert (version.code, version.out.split()[0]) == (0, "bot-exporter")
    shown = await run_to_end("--help")
    assert shown.code == 0
    for flag in ("--config.file", "--config.check", "--web.listen-address", "--data.dir", "--log.format"):
        assert flag in shown.out


async def test_config_check() -> None:
    fine = await run_to_end(f"--config.file={SHIPPED}", "--config.check")
    assert (fine.code, fine.out, fine.err) == (0, f"{SHIPPED} is fine: 12 bots\n", "")


async def test_healthcheck_asks_the_running_server(tmp_path: Path) -> None:
    async with exporter(SHIPPED, tmp_path) as running:
        address = running.url.removeprefix("http://")
        assert (await run_to_end("--healthcheck", f"--web.listen-address={address}")).code == 0
    gone = await run_to_end("--healthcheck", f"--web.listen-address={address}")
    assert gone.code == 1
    assert "no answer from" in gone.err


GOOD = "racetime: {url: 'http://127.0.0.1:9'}\nbots:\n"
BOT = "  - {name: %s, platform: racetime, category: sm, client_id: x, client_secret: very-hidden}\n"

BAD_FILES = {
    "unknown key": ("pots: []\n", r"config\.yaml:1: pots: unknown key"),
    "unknown key of a bot": (GOOD + BOT.replace("}", ", goal: any}") % "a", r"yaml:3: bots\[0\]\.goal: unknown key"),
    "duplicate key": ("bots: []\nbots: []\n", r"config\.yaml:2: bots: "),
    "duplicate bot names": (GOOD + BOT % "a" + BOT % "a", r"config\.yaml:4: bots\[1\]\.name: is given twice"),
    "unknown platform": (GOOD + (BOT % "a").replace("racetime,", "dota3,"), r"yaml:3: bots\[0\]\.platform: .*racetime"),
    "missing secret file": (
        GOOD + (BOT % "a").replace("client_secret: very-hidden", "client_secret_file: no/such/file"),
        r"config\.yaml:3: bots\[0\]\.client_secret_file: .*no/such/file",
    ),
    "no such scenario": ("simulators: {racetime: {enabled: true, scenario: none}}\n", r"scenario: .*demo"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FILES)
@pytest.mark.parametrize("flags", [(), ("--config.check",)], ids=["run", "check"])
@pytest.mark.usefixtures("logging_restored")
def test_a_bad_file_is_refused_with_the_place(
    flags: tuple[str, ...], case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command's own entry, in this process: loading all of it for each case would take seconds."""
    text, expected = BAD_FILES[case]
    config = tmp_path / "config.yaml"
    config.write_text(text)
    code = main([f"--config.file={config}", f"--data.dir={tmp_path / 'data'}", *flags])
    ended = Ended(code, *capsys.readouterr())
    only_one_message(ended, expected)
    assert "very-hidden" not in ended.out + ended.err


async def test_a_bad_file_ends_the_command(tmp_path: Path) -> None:
    text, expected = BAD_FILES["duplicate bot names"]
    config = tmp_path / "config.yaml"
    config.write_text(text)
    only_one_message(await run_to_end(f"--config.file={config}", f"--data.dir={tmp_path / 'data'}"), expected)


async def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "pots: []\n" + GOOD + (BOT % "A").replace("client_id: x, ", "") + (BOT % "b").replace("sm", "'!'")
    )
    ended = await run_to_end(f"--config.file={config}", "--config.check")
    assert ended.code == 2
    places = re.findall(r"config\.yaml:(\d+): ([^:]+):", ended.err)
    assert places == [("1", "pots"), ("4", "bots[0].client_id"), ("4", "bots[0].name"), ("5", "bots[1].category")]


async def test_a_missing_file(tmp_path: Path) -> None:
    only_one_message(await run_to_end(f"--config.file={tmp_path / 'none.yaml'}"), r"none\.yaml: .*")


async def test_a_wrong_flag() -> None:
    assert (await run_to_end("--no.such.flag")).code == 2
    only_one_message(await run_to_end("--web.listen-address=nonsense"), r"--web\.listen-address: .*127\.0\.0\.1:9977")


async def test_a_second_process_on_the_same_directory_and_a_port_in_use(tmp_path: Path) -> None:
    async with exporter(SHIPPED, tmp_path / "one") as running:
        second = await run_to_end(
            f"--config.file={SHIPPED}", f"--data.dir={tmp_path / 'one'}", "--web.listen-address=127.0.0.1:0"
        )
        only_one_message(second, r"another bot-exporter \(process \d+\) uses the data directory")
        address = running.url.removeprefix("http://")
        taken = await run_to_end(
            f"--config.file={SHIPPED}", f"--data.dir={tmp_path / 'two'}", f"--web.listen-address={address}"
        )
        only_one_message(taken, rf"cannot listen on {re.escape(address)}: another program uses it")


async def test_an_unwritable_data_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = await run_to_end(f"--config.file={SHIPPED}", f"--data.dir={tmp_path / 'file' / 'data'}")
    only_one_message(ended, r"cannot write to the data directory .*--data\.dir")


def only_one_message(ended: Ended, expected: str) -> None:
    assert ended.code == 2, ended
    messages = [line for line in ended.err.splitlines() if line.startswith("bot-exporter: ")]
    assert len(messages) == 1, ended.err
    assert re.search(expected, messages[0]), messages[0]
    assert "Traceback" not in ended.err


async def test_sigterm_drains_when_asked_to(tmp_path: Path) -> None:
    async with (
        site(tmp_path) as held,
        exporter(held.config, tmp_path / "data", "--drain-timeout=1m") as running,
        aiohttp.ClientSession(running.url) as session,
    ):
        world, racer = held.world, next(iter(held.world.users.values()))
        race = world.open_race(world.categories["sm"], now=held.now(), by=racer)

        async def system() -> dict[str, object]:
            async with session.get("/status/system") as response:
                figures: dict[str, object] = await response.json()
                return figures

        await until(system, lambda figures: figures["active_races"] == 1)
        running.terminate()
        await until(system, lambda figures: figures["draining"] is True)
        assert (await system())["draining_waits_for"] == [str(race)]
        assert (await system())["available_bots"] == 0
        async with session.get("/-/ready") as response:
            assert response.status == 503
        world.cancel(race, racer, held.now())
        assert await running.exit_code() == 0


async def until(
    ask: Callable[[], Awaitable[dict[str, object]]], good: Callable[[dict[str, object]], bool], limit_s: float = LIMIT_S
) -> None:
    deadline = time.monotonic() + limit_s
    while not good(answer := await ask()):
        assert time.monotonic() < deadline, answer
        await asyncio.sleep(0.05)
