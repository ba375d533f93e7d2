"""What systemd hears from the real process over a real socket, and what it does not hear when the event loop hangs."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from tests.e2e.command import ROOT, exporter, run_to_end
from tests.eventually import eventually
from tests.listener import Listener

SHIPPED = ROOT / "config.yaml"

# The real command. SIGUSR1 has its event loop hang, and only that: until somebody writes into the second pipe.
HANGING = """
import signal, sys
from pathlib import Path
from exporter.cli import main
def hang(*_):
    Path(sys.argv[1]).write_text("hangs")
    Path(sys.argv[2]).read_text()
signal.signal(signal.SIGUSR1, hang)
sys.exit(main(sys.argv[3:]))
"""


async def test_ready_reloading_stopping(tmp_path: Path) -> None:
    with Listener.at(str(tmp_path / "notify")) as heard:
        environment = {"NOTIFY_SOCKET": heard.address}
        async with exporter(SHIPPED, tmp_path / "data", "--drain-timeout=1m", environment=environment) as running:
            ready = await asyncio.to_thread(heard.next)
            address = running.url.removeprefix("http://")
            assert ready == {"READY": "1", "STATUS": f"serving at {address}"}
            running.process.send_signal(signal.SIGHUP)
            assert (await asyncio.to_thread(heard.next))["RELOADING"] == "1"
            assert await asyncio.to_thread(heard.next) == ready
            running.terminate()
            stopping = await asyncio.to_thread(heard.next)
            assert stopping == {"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "75000000", "STATUS": "draining"}
            with contextlib.suppress(ProcessLookupError):  # nothing was there to wait for
                running.terminate()  # a second one ends the draining
            assert await running.exit_code() == 0
        assert heard.waiting() == []


async def test_a_hanging_event_loop_gives_no_sign_of_life(tmp_path: Path) -> None:
    hangs, go_on = tmp_path / "hangs", tmp_path / "go-on"
    os.mkfifo(hangs)
    os.mkfifo(go_on)
    command = (sys.executable, "-c", HANGING, hangs, go_on)
    with Listener.at(str(tmp_path / "notify")) as heard:
        environment = {"NOTIFY_SOCKET": heard.address, "WATCHDOG_USEC": "2000000"}  # the socket holds ten
        async with exporter(SHIPPED, tmp_path / "data", command=command, environment=environment) as running:
            await eventually(lambda: any("READY" in each for each in heard.waiting()))
            assert await asyncio.to_thread(heard.next) == {"WATCHDOG": "1"}
            running.process.send_signal(signal.SIGUSR1)
            assert await asyncio.to_thread(hangs.read_text) == "hangs"
            heard.waiting()  # what was sent before
            try:
                late = await asyncio.to_thread(heard.next, 2.5)
            except TimeoutError:
                late = None
            await asyncio.to_thread(go_on.write_text, "go on")
            assert late is None
            assert await asyncio.to_thread(heard.next) == {"WATCHDOG": "1"}


async def test_whoever_ends_a_hanging_process_learns_where_it_hung(tmp_path: Path) -> None:
    async with exporter(SHIPPED, tmp_path / "data") as running:
        running.process.send_signal(signal.SIGABRT)
        assert await running.exit_code() == -signal.SIGABRT
        await eventually(lambda: any("exporter/cli.py" in line for line in running.log))
    assert any("Fatal Python error: Aborted" in line for line in running.log)


async def test_an_environment_that_no_manager_writes(tmp_path: Path) -> None:
    ended = await run_to_end(
        f"--config.file={SHIPPED}", f"--data.dir={tmp_path}", environment={"NOTIFY_SOCKET": "nonsense"}
    )
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("bot-exporter: NOTIFY_SOCKET is no path")
