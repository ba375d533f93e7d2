"""Secrets are where they belong, and nowhere else: the installed command at debug level, on good and bad days."""

import asyncio
import base64
import functools
import json
import os
import re
import signal
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import bcrypt
import pytest

from exporter.app import load_fleet
from exporter.errors import ConfigError
from exporter.platforms.steam.messages import Result
from exporter.simulators.dota2 import SCENARIOS
from exporter.simulators.racetime import RacetimeSimulator, quiet
from exporter.simulators.steam import Phase, SteamSimulator
from exporter.simulators.steam import demo as demo_accounts
from exporter.timing import SystemClock
from tests import certificates
from tests.e2e.command import LIMIT_S, Running, exporter, run_to_end
from tests.e2e.test_botctl import BOTCTL, botctl
from tests.e2e.vault import Vault
from tests.eventually import eventually, until

ODD = "pä s+/{}%&\"'\\w"  # what a password may hold; it has another form in URLs, JSON, YAML and reprs
GUARD_CODE = "QZ7XK"
DEBUG = "--log.level=debug"
CONFIG = """
web:
  metrics_key: true
  keys:
    - {{name: boss, role: admin, key_file: secrets/admin.key}}
    - {{name: monitor, role: read, key_file: secrets/read.key}}
{storage}
steam: {{logon_interval: 50ms, cm_list: {cms}}}
racetime: {{url: '{racetime}', poll_interval: 200ms}}
bots:
  - {{name: plain, platform: dota2, username: user-plain, password_file: secrets/plain}}
  - {{name: totp, platform: dota2, username: user-totp, password_file: secrets/totp, shared_secret_file: secrets/code}}
  - {{name: mailed, platform: dota2, username: user-mailed, password_file: secrets/mailed}}
  - {{name: wrong, platform: dota2, username: user-wrong, password_file: secrets/wrong}}
  - {{name: inline, platform: dota2, username: user-inline, password: {inline}}}
  - {{name: alttpr, platform: racetime, category: alttpr, client_id: demo-alttpr, client_secret_file: secrets/alttpr}}
  - {{name: ootr, platform: racetime, category: ootr, client_id: demo-ootr, client_secret_file: secrets/wrong}}
"""


@dataclass
class Scene:
    """An exporter among secrets, and all that was heard of it."""

    folder: Path
    vault: Vault
    racetime: RacetimeSimulator
    steam: SteamSimulator
    config: Path
    admin: str
    read: str
    user: tuple[str, str]
    outputs: list[tuple[str, str]] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def hear(self, where: str, text: str) -> None:
        self.outputs.append((where, text))

    def learn(self) -> None:
        """Remember what the services have made by now."""
        for value in self.racetime.world.tokens:
            self.vault.keep("a token of racetime.gg", value)
        for value in self.steam.world.tokens:
            self.vault.keep("a refresh token", value.rpartition(".")[2][:32])
        for path in (self.data / "tokens").glob("*.json"):
            kept = json.loads(path.read_text())
            for name in ("refresh_token", "guard_data"):
                if kept.get(name):
                    self.vault.keep(f"the {name} of {path.stem}", kept[name].rpartition(".")[2][:32])

    def leaks(self) -> list[str]:
        self.learn()
        found = [leak for where, text in self.outputs for leak in self.vault.leaks(where, text)]
        kept = set((self.data / "tokens").glob("*.json"))
        found += self.vault.leaks_in_files(self.data, but=self.data / "tokens")
        assert kept
        assert {stat.S_IMODE(each.stat().st_mode) for each in kept} == {0o600}
        assert stat.S_IMODE((self.data / "tokens").stat().st_mode) == stat.S_IMODE(self.data.stat().st_mode) == 0o700
        return found


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    """Seed a secret into everything that has one, and run the services."""
    vault, clock, hidden = Vault(), SystemClock(), folder / "secrets"
    hidden.mkdir()

    def seed(name: str, around: str = ODD) -> str:
        value = vault.new(name, around=around)
        (hidden / name).write_text(value + "\n")
        return value

    accounts = demo_accounts(clock.now())
    for name in ("plain", "totp", "mailed"):
        password, shared = seed(name), os.urandom(20) if name == "totp" else b""
        code = GUARD_CODE if name == "mailed" else ""
        accounts.world.add_account(f"user-{name}", password, shared_secret=shared, email_code=code)
        if shared:
            vault.keep("a shared secret", shared)
            (hidden / "code").write_text(base64.b64encode(shared).decode())
    inline = vault.new("inline", around="in-{}")
    accounts.world.add_account("user-inline", inline)
    accounts.world.add_account("user-wrong", "another")
    seed("wrong")
    vault.keep("a guard code", GUARD_CODE)
    scenario = SCENARIOS["quiet"](accounts.world.accounts)
    steam = SteamSimulator(accounts.world, clock=clock, scenario=accounts, games=[scenario.coordinator], tick_s=0.1)
    racetime = RacetimeSimulator(quiet(clock.now()).world, clock=clock, category_cache_s=0.0, race_cache_s=0.0)
    racetime.world.bots["demo-alttpr"].client_secret = seed("alttpr", "cs/{}+=")
    admin, read = seed("admin.key", "adm+/{}=~"), seed("read.key", "rd+/{}=~")
    await steam.start()
    await racetime.start()
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(cms=steam.cm_urls, racetime=racetime.url, inline=inline, storage=""))
    cert, key = certificates.issue(folder, "own", "127.0.0.1")
    certificates.authority().cert_pem.write_to_path(str(folder / "ca.pem"))
    for line in key.read_text().splitlines()[1:-1]:
        vault.keep("the key of TLS", line[:40])
    password = vault.new("a password of basic auth", around=ODD)
    stored = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    vault.keep("a stored password", stored[7:])
    (folder / "web.yml").write_text(
        f"tls_server_config: {{cert_file: {cert.name}, key_file: {key.name}}}\nbasic_auth_users: {{ann: {stored}}}\n"
    )
    try:
        yield Scene(folder, vault, racetime, steam, config, admin, read, ("ann", password))
    finally:
        await racetime.stop()
        await steam.stop()


@asynccontextmanager
async def running(held: Scene, *flags: str) -> AsyncIterator[tuple[Running, aiohttp.ClientSession]]:
    """Run the command, and keep all that it prints and the system knows of it."""
    trust = ssl.create_default_context(cafile=str(held.folder / "ca.pem"))
    async with exporter(
        held.config, held.data, f"--web.config.file={held.folder / 'web.yml'}", DEBUG, *flags
    ) as process:
        async with aiohttp.ClientSession(process.url, connector=aiohttp.TCPConnector(ssl=trust)) as session:
            for name in ("cmdline", "environ"):
                held.hear(name, (Path("/proc") / str(process.process.pid) / name).read_text())
            yield process, session
        if process.process.returncode is None:
            process.terminate()
            await process.exit_code()
    held.hear("what it prints", "\n".join(process.greeting))
    held.hear("the log", "\n".join(process.log))


async def ask(held: Scene, session: aiohttp.ClientSession, method: str, path: str, **options: Any) -> tuple[int, Any]:
    """Send a request, keep the answer, and return status and body."""
    options.setdefault("headers", {"X-API-Key": held.admin})
    async with session.request(method, path, **options) as answer:
        text = await answer.text()
        held.hear(f"{method} {path} {answer.status}", f"{answer.headers} {text}")
        return answer.status, json.loads(text) if "json" in answer.content_type else text


async def _until_settled(held: Scene, session: aiohttp.ClientSession) -> None:
    wanted = {"plain": 1, "totp": 1, "mailed": 2, "wrong": 2, "inline": 1, "alttpr": 1, "ootr": 2}

    async def verdicts() -> dict[str, int]:
        _, body = await ask(held, session, "GET", "/status/bots")
        return {bot["name"]: bot["status"] for bot in body["bots"]}

    await until(verdicts, wanted.__eq__)


async def _orders(held: Scene, session: aiohttp.ClientSession) -> str:
    """Give every kind of order that takes a secret, rightly and wrongly."""
    vault, json_of = held.vault, {"name": "inhouse", "server_region": "USE", "game_mode": "CM", "bot": "plain"}
    first, second, older, long = (vault.new("a lobby's password", around='lob {}"') for _ in range(4))
    lobbies = "/api/v1/lobbies"
    assert (await ask(held, session, "POST", "/api/v1/bots/mailed/guard-code", json={"code": "WRONG"}))[0] in (200, 409)
    assert (await ask(held, session, "POST", lobbies, json=json_of | {"password": long * 9}))[0] == 422
    assert (await ask(held, session, "POST", lobbies, json=json_of | {"password": [long]}))[0] == 422
    status, lobby = await ask(held, session, "POST", lobbies, json=json_of | {"password": first})
    assert status == 201
    changed = await ask(held, session, "PATCH", f"{lobbies}/{lobby['lobby_id']}", json={"password": second})
    assert changed[0] == 200
    assert (await ask(held, session, "POST", "/lobby/create", json={"lobby_name": "x", "password": older}))[0] == 201
    race = {"category": "alttpr", "goal": "Beat the game"}
    assert (await ask(held, session, "POST", "/api/v1/races", json=race))[0] == 201
    code = {"code": GUARD_CODE}

    give = functools.partial(ask, held, session, "POST", "/api/v1/bots/mailed/guard-code", json=code)
    await until(give, lambda answer: answer[0] == 200)
    return str(lobby["lobby_id"])


async def _everything_read(held: Scene, session: aiohttp.ClientSession, lobby: str) -> None:
    _, description = await ask(held, session, "GET", "/api/v1/openapi.json")
    guesses = [held.vault.new("a wrong key", around="guess-{}") for _ in range(2)]

    def login(password: str) -> dict[str, str]:
        packed = base64.b64encode(f"{held.user[0]}:{password}".encode()).decode()
        return {"Authorization": f"Basic {packed}"}

    headers: list[dict[str, str]] = [
        {"X-API-Key": held.admin},
        {"X-API-Key": held.read},
        {"X-API-Key": guesses[0]},
        {"Authorization": f"Bearer {held.read}"},
        login(held.user[1]),
        login(guesses[1]),
        {},
    ]
    names = {"name": "totp", "lobby_id": lobby, "category": "alttpr", "slug": "nothing", "file": "page.css"}
    for path, operations in description["paths"].items():
        filled = re.sub(r"{(\w+)}", lambda match: names.get(match[1], "nothing"), path)
        for each in headers if "get" in operations and path != "/status/stream" else ():
            await ask(held, session, "GET", filled, headers=each)
    _, issued = await ask(held, session, "POST", "/api/v1/stream-tickets", headers={"X-API-Key": held.read})
    held.outputs.pop()  # who gets it has to see it
    held.vault.keep("a ticket", issued["ticket"])
    async with session.ws_connect(f"/status/stream?ticket={issued['ticket']}") as socket:
        async for message in socket:
            held.hear("the feed", message.data)
            frame = json.loads(message.data)
            if frame["type"] == "snapshot" and frame["kind"] is None:
                break
    assert (await ask(held, session, "GET", f"/status/stream?ticket={issued['ticket']}"))[0] in (401, 429)


async def _troubles(held: Scene, process: Running, session: aiohttp.ClientSession) -> None:
    """Let services fail and configurations be wrong, with secrets at the wrong places."""
    held.racetime.faults.on("revoke_tokens", "bot")
    held.racetime.faults.on("http_status", "category@alttpr", "502", duration_s=0.5)
    account = held.steam.world.accounts["user-totp"]
    held.steam.faults.refuse(Phase.LOGON, Result.ACCESS_DENIED, username="user-plain")
    held.steam.world.revoke_tokens(account)
    held.steam.kick_all(Result.LOGGED_IN_ELSEWHERE)
    await held.steam.crash()
    await held.steam.start()
    good, vault = held.config.read_text(), held.vault
    for broken in (
        "bots: [{{name: x, platform: dota2, username: u, password: [{0}]}}]",
        "bots: [{{name: x, platform: dota2, username: u, password: {{a: {0}}}}}]",
        "bots: [{{name: x, platform: dota2, username: u, password: {0}, password_file: x}}]",
        "bots: [{{name: x, platform: dota2, username: u, pasword: {0}}}]",
        "bots: [{{name: x, platform: dota2, username: u, shared_secret: {0}, password: p}}]",
        "bots: [{{name: x, platform: racetime, category: c, client_id: i, client_secret: {0}, client_secret: {0}}}]",
        "bots: [{{name: x, platform: dota2, username: u, password: {0}",
        "bots:\n- password: {0}\n  name: x: y\n",
        "bots:\n- password: '{0}\n",
        "storage: {{url: 'postgresql://user:{0}@localhost:bad/x'}}",
        "storage: {{url: 'mysql://user:{0}@localhost/x'}}",
        "web: {{keys: [{{name: a, role: admin, key: {0}}}]}}",
        "racetime: {{url: 'http://user:{0}@example.org'}}",
        "steam: {{directory_url: 'https://user:{0}@example.org:bad'}}",
    ):
        held.config.write_text(broken.format(vault.new("a secret in a broken configuration")))
        status, _ = await ask(held, session, "POST", "/-/reload")
        assert status in (400, 422, 500), broken
        with pytest.raises(ConfigError) as wrong:
            load_fleet(held.config)
        held.hear("the check of a configuration", f"{wrong.value} {wrong.value!r}")
    checked = await run_to_end("--config.check", f"--config.file={held.config}", cwd=held.folder)
    held.hear("--config.check", checked.out + checked.err)
    assert checked.code == 2
    held.config.write_text(good)
    secret = held.folder / "secrets" / "alttpr"
    kept = secret.read_bytes()
    secret.write_bytes(b"\xff" + vault.new("half a secret").encode())
    assert (await ask(held, session, "POST", "/-/reload"))[0] == 422
    secret.write_bytes(kept)
    assert (await ask(held, session, "POST", "/-/reload"))[0] == 200
    process.process.send_signal(signal.SIGHUP)
    web, text = held.folder / "web.yml", (held.folder / "web.yml").read_text()
    web.write_text(f"{text}\nbasic_auth_users: {{bob: {vault.new('a password in place of its hash')}}}\n")
    await eventually(lambda: any("web.yml" in line and "level=error" in line for line in process.log))
    web.write_text(text)


async def _client(held: Scene, process: Running) -> None:
    """Use botctl, and look at what others on the machine can see of it."""
    key, ca = held.folder / "secrets" / "admin.key", held.folder / "ca.pem"
    environment = {"BOTCTL_URL": process.url, "BOTCTL_KEY_FILE": str(key), "BOTCTL_CA_FILE": str(ca)}
    password = held.folder / "secrets" / "lobby"
    password.write_text(held.vault.new("a lobby's password", around="l-{}"))
    create = ("lobby", "create", "Tonight", "--region=USE", "--mode=CM", f"--password-file={password}", "--bot=inline")
    for words in (("status", "-o", "json"), ("history",), ("explain", "mailed"), create):
        ended = await botctl(*words, **environment)
        assert ended.code == 0, ended
        held.hear(f"botctl {words[0]}", ended.out + ended.err)
    wrong = held.folder / "secrets" / "wrong.key"
    wrong.write_text(held.vault.new("a wrong key"))
    for mistaken in (wrong, held.folder / "own.key"):
        ended = await botctl("drain", "--key-file", str(mistaken), **environment)
        assert ended.code != 0
        held.hear("botctl drain", ended.out + ended.err)
    watching = await asyncio.create_subprocess_exec(
        BOTCTL,
        "watch",
        "-o",
        "json",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], **environment},
    )
    assert watching.stdout is not None
    async with asyncio.timeout(LIMIT_S):
        held.hear("botctl watch", (await watching.stdout.readline()).decode())
    for name in ("cmdline", "environ"):
        held.hear(f"{name} of botctl", (Path("/proc") / str(watching.pid) / name).read_text())
    watching.terminate()
    await watching.communicate()


async def test_no_secret_comes_out(tmp_path: Path) -> None:
    async with scene(tmp_path) as held:
        async with running(held) as (process, session):
            await _until_settled(held, session)
            lobby = await _orders(held, session)
            await _everything_read(held, session, lobby)
            await _client(held, process)
            await _troubles(held, process, session)
            await _everything_read(held, session, lobby)
            process.process.kill()
            await process.exit_code()
        async with running(held) as (process, session):
            await eventually(lambda: any("listening" in line for line in process.log))
            await _everything_read(held, session, lobby)
            process.process.send_signal(signal.SIGABRT)  # what the service manager sends to one that hangs
            await process.exit_code()
        assert "Fatal Python error: Aborted" in held.outputs[-1][1]
        assert held.leaks() == []
        assert len(held.outputs) > 300
        texts = "\n".join(text for _, text in held.outputs)
        for seen in ("level=debug", "bot=totp", "the configuration", "bot_up"):
            assert seen in texts  # it was told much, and of all bots


async def test_no_password_of_a_database_comes_out(tmp_path: Path) -> None:
    async with scene(tmp_path) as held:
        password = held.vault.new("the password of the database", around="pg%2F{}%40x")
        text = held.config.read_text()
        url = f"postgresql://someone:{password}@127.0.0.1:1/bots"
        held.config.write_text(f"storage: {{url: '{url}'}}\n{text}")
        async with running(held) as (process, session):
            await eventually(lambda: any("the database does not work" in line for line in process.log))
            for path in ("/health", "/status", "/status/history", "/metrics", "/-/ready"):
                await ask(held, session, "GET", path)
            await ask(held, session, "POST", "/api/v1/bots/plain/stop")
            process.process.kill()  # a good end would wait for the database for some seconds
            await process.exit_code()
        flag = await run_to_end(f"--config.file={held.config}", f"--storage.url={url}", f"--data.dir={held.data}")
        assert flag.code == 2
        held.hear("--storage.url", flag.out + flag.err)
        migrated = await run_to_end("migrate", f"--config.file={held.config}", f"--data.dir={held.data}")
        assert migrated.code != 0
        held.hear("migrate", migrated.out + migrated.err)
        held.learn()
        leaks = [leak for where, output in held.outputs for leak in held.vault.leaks(where, output)]
        # A token may be half written, for the process was killed: that is in the token store, too.
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in (held.data / "tokens").iterdir())
        assert leaks + held.vault.leaks_in_files(held.data, but=held.data / "tokens") == []


@pytest.mark.parametrize("packed", [False, True])
def test_the_vault_finds_what_it_holds(packed: bool) -> None:
    """The proof of the proof: every form is found, wherever it stands."""
    vault = Vault()
    value = vault.new("it", around=ODD)
    for before in ("", "x", "xy", "xyz"):
        text = f"{before}{value}, and more"
        shown = base64.b64encode(text.encode()).decode() if packed else text
        assert vault.leaks("there", shown) == ["it in there"]
        assert vault.leaks("there", shown.replace("+", "-")) == ["it in there"]
    assert vault.leaks("there", value.encode().hex()) == ["it in there"]
    assert vault.leaks("there", json.dumps(value)) == vault.leaks("there", repr(value)) == ["it in there"]
    assert vault.leaks("there", "nothing of it") == []
