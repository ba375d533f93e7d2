"""How commands end: 0 done, 1 refused, 2 usage, 3 unreachable; and what they say then."""

import re
import socket
from dataclasses import dataclass
from pathlib import Path

from tests import certificates
from tests.web.control.rig import control_rig
from tests.web.ctl.rig import Ended, botctl, running


@dataclass(frozen=True)
class Case:
    """A command line with the code that it ends with, and what stands in its output or error."""

    line: str
    code: int
    says: str


CASES = (
    # done
    Case("status", 0, r"2 available"),
    Case("bots", 0, r"lobby-1 .*\W connected"),
    Case("bots --unhealthy --platform dota2", 0, r"no bots"),
    Case("bots --status auth_failed --status unknown", 0, r"no bots"),
    Case("lobbies", 0, r"no lobbies"),
    Case("races", 0, r"no races"),
    Case("explain lobby-1", 0, r"to do +nothing: it works"),
    Case("explain demo-bot-2 --all-metrics", 0, r'bot_guard_code_waiting\{bot="lobby-1",platform="dota2"\} 0'),
    Case("history", 0, r"added to the fleet"),
    Case("history lobby-1 --kind status --limit 1 --since 1h", 0, r"connected"),
    Case("health", 0, r"bot-exporter +\W ok"),
    Case("reload", 0, r"reloaded: 2 bots unchanged"),
    Case("drain", 0, r"draining: no new work is taken on, and nothing is left"),
    Case("health", 1, r"degraded"),
    Case("lobby create x --region USE --mode CM", 1, r"not now \(503\): .*drain"),
    Case("drain --end", 0, r"new work is taken on"),
    Case("drain --wait --timeout 1s", 0, r"nothing is left to wait for"),
    Case("drain --end", 0, r"new work is taken on"),
    Case("maintenance lobby-1 --reason cables --until 2h", 0, r"in maintenance until .*: cables \(by\W+admin\)"),
    Case("maintenance lobby-1 --end", 0, r"lobby-1 +\W connected"),
    Case("stop lobby-1", 0, r"lobby-1 +\W disconnected"),
    Case("start lobby-1 --wait --timeout 30s", 0, r"lobby-1 +\W connected"),
    Case("restart lobby-1 --wait", 0, r"lobby-1 +\W connected"),
    Case("race create alttpr 'any%' --custom --info weekly --set start_delay=20", 0, r"goal +any% \(custom\)"),
    # refused
    Case("stop nobody", 1, r"not found \(404\): there is no bot with the name or username 'nobody'"),
    Case("explain nobody", 1, r"not found \(404\)"),
    Case("guard-code alttpr ABC12", 1, r"refused \(409\): bot alttpr is on racetime, which has no guard codes"),
    Case("lobby create x --region nowhere --mode CM", 1, r"refused \(422\): server_region 'nowhere'"),
    Case("lobby create x --region EUW --mode CM --set leage_id=5", 1, r"refused \(422\): leage_id: unknown field"),
    Case("lobby show 17", 1, r"not found \(404\): there is no lobby"),
    Case("lobby launch 17", 1, r"not found \(404\)"),
    Case("race message alttpr/none hi", 1, r"not found \(404\): no bot follows a race"),
    Case("race create nowhere any", 1, r"refused \(422\): category: no bot serves 'nowhere'"),
    Case("order 17", 1, r"not found \(404\): there is no order '17'"),
    Case("history --before x", 1, r"refused \(400\): before cannot be 'x'"),
    Case("start lobby-1 --key-file wrong.key", 1, r"not allowed \(401\): .*\n  try: .* is from wrong.key"),
    Case("start lobby-1 --key-file read.key", 1, r"not allowed \(403\)"),
    # usage
    Case("", 2, r"Usage: botctl"),
    Case("lunch", 2, r"No such command 'lunch'"),
    Case("status --outptu json", 2, r"No such option"),
    Case("stop", 2, r"Missing argument 'BOT'"),
    Case("maintenance lobby-1", 2, r"give --reason"),
    Case("maintenance lobby-1 --end --reason x", 2, r"--end takes neither"),
    Case("maintenance lobby-1 --reason x --until soon", 2, r"give a duration such as 2h"),
    Case("start lobby-1 --timeout soon", 2, r"is no duration"),
    Case("start lobby-1 --idempotency-key 'a b'", 2, r"without spaces"),
    Case("lobby create x --region EUW --mode CM --set league", 2, r"write field=value"),
    Case("lobby create x --region EUW --mode CM --players 2 --expect 76561197960287930", 2, r"not both"),
    Case("lobby create x --region EUW --mode CM --password-file none", 2, r"the password cannot be read: .*none"),
    Case("race begin alttpr", 2, r"write category/slug"),
    Case("guard-code lobby-1", 2, r"no code was given"),
    Case("drain --end --wait", 2, r"nothing to --wait for"),
    Case("status --key-file none.key", 2, r"the key cannot be read: secret file none.key"),
    Case("status --url 127.0.0.1", 2, r"--url is no address"),
    # unreachable
    Case("status --url http://127.0.0.1:{closed}", 3, r"nothing answers at http://127.0.0.1:{closed} \(from --url\)"),
    Case("stop lobby-1 --url http://127.0.0.1:{closed}", 3, r"connection refused\n  try: see whether it runs"),
    Case("status --url http://nowhere.invalid", 3, r"the host of http://nowhere.invalid \(from --url\) is not known"),
    Case("status --url https://127.0.0.1:{port}", 3, r"no TLS connection .*\n  try: if the server speaks plain HTTP"),
    Case("status --url https://127.0.0.1:{port} --ca-file none.pem", 3, r"none.pem cannot be used to check"),
)  # fmt: skip


def words(line: str) -> list[str]:
    return [quoted or bare for quoted, bare in re.findall(r"'([^']*)'|(\S+)", line)]


async def test_the_table(tmp_path: Path) -> None:
    for name in ("operator", "read", "wrong"):
        (tmp_path / f"{name}.key").write_text(f"{name}-key-text")
    keys = (f"{{name: {role}, role: {role}, key_file: {tmp_path}/{file}.key}}"
            for role, file in (("admin", "operator"), ("read", "read")))  # fmt: skip
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        closed = str(unused.getsockname()[1])
        async with running(tmp_path, f"web: {{keys: [{', '.join(keys)}]}}") as program:
            wrong = list[tuple[Case, int, str]]()
            port = program.url.rpartition(":")[2]
            for case in CASES:
                line, says = (
                    each.replace("{closed}", closed).replace("{port}", port) for each in (case.line, case.says)
                )
                line = re.sub(r"(?<= )(read|wrong|none)\.(key|pem)", rf"{tmp_path}/\1.\2", line)
                key = {} if "--key-file" in line else {"BOTCTL_KEY_FILE": str(tmp_path / "operator.key")}
                ended = await botctl(*words(line), data_dir=tmp_path / "data" if line else None, **key)
                said = (ended.out + ended.err).replace(f"{tmp_path}/", "")
                silent = case.code != 0 and case.line != "health"
                if (
                    ended.code != case.code
                    or not re.search(says, said)
                    or (ended.out == "") != silent
                    or "Traceback" in said
                    or "-key-text" in said
                ):
                    wrong.append((case, ended.code, said))
    assert wrong == []


async def test_problems_in_json_are_problem_documents(tmp_path: Path) -> None:
    async with control_rig(tmp_path) as rig:
        done = await botctl("stop", "lobby-1", "-o", "json", data_dir=tmp_path / "data")
        assert (done.code, done.data["status_name"], done.err) == (0, "disconnected", "")
        refused = await botctl("--output=json", "stop", "nobody", data_dir=tmp_path / "data")
        assert (refused.code, refused.out) == (1, "")
        assert refused.problem == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "there is no bot with the name or username 'nobody': /status/bots lists them",
            "instance": "/api/v1/bots/nobody/stop",
        }
        assert rig.program.url in (await botctl("status", data_dir=tmp_path / "data")).out
    gone = await botctl("status", "--output", "json", data_dir=tmp_path / "data")
    assert (gone.code, gone.out) == (3, "")
    assert (gone.problem["title"], gone.problem["status"]) == ("Unreachable", None)


async def test_json_is_what_the_server_says(tmp_path: Path) -> None:
    async with control_rig(tmp_path, races=["alttpr"]) as rig:
        for command, path in (
            ("bots", "/status/bots"),
            ("lobbies", "/status/lobbies"),
            ("races", "/status/races"),
            ("history --limit 2", "/status/history?limit=2"),
        ):
            ended = await botctl(*command.split(), "-o", "json", data_dir=tmp_path / "data")
            async with rig.session.get(path) as answer:
                assert list(ended.data) == list(await answer.json())
        story = (await botctl("explain", "lobby-1", "-o", "json", data_dir=tmp_path / "data")).data
        assert story["bot"]["name"] == "lobby-1"
        assert story["remedy"] == {"advice": "nothing: it works", "runbook": None}
        assert 'bot_up{bot="lobby-1",platform="dota2"} 1.0' in story["metrics"]


async def test_a_server_that_went_away_without_a_word(tmp_path: Path) -> None:
    async with control_rig(tmp_path):
        left = (tmp_path / "data" / "endpoint.json").read_text()
    (tmp_path / "data" / "endpoint.json").write_text(re.sub(r'"pid": \d+', '"pid": 4194304', left))
    ended = await botctl("status", data_dir=tmp_path / "data")
    assert ended.code == 3
    assert f"(from {tmp_path}/data/endpoint.json)" in ended.err
    assert "process 4194304, which wrote that file, does not run any more: start the exporter" in ended.err


async def test_a_server_with_tls(tmp_path: Path) -> None:
    certificates.authority().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    cert, key = certificates.issue(tmp_path, "server")
    web_config = tmp_path / "web.yml"
    web_config.write_text(f"tls_server_config: {{cert_file: {cert}, key_file: {key}}}\n")

    async def status(**environ: str) -> Ended:
        return await botctl("status", data_dir=tmp_path / "data", **environ)

    async with running(tmp_path, web_config=web_config):
        trusted = await status(BOTCTL_CA_FILE=str(tmp_path / "ca.pem"))
        assert (trusted.code, "https://127.0.0.1:" in trusted.out) == (0, True)
        distrusted = await status()
        assert distrusted.code == 3
        assert "is not trusted: unable to get local issuer certificate\n  try: give the" in distrusted.err
