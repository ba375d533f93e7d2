"""The configuration: one bad file per mistake, with the expected problems in its header."""

import base64
import copy
import os
import pickle
import shutil
import socket
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.config import BotEntry, Config, load, secret_option
from exporter.errors import ConfigError, Problem
from exporter.flags import parse_flags
from exporter.secrets import Secret, SecretError, SecretSource, read_secret_file
from exporter.sections import is_loopback
from exporter.simulators.steam import demo_password, demo_secret
from exporter.yaml_lines import unknown_key
from tests.foreign import EXAMPLES

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "config"
BAD = sorted((DATA / "bad").glob("*.yaml"))
GOOD = sorted((DATA / "good").glob("*.yaml"))


def problems_of(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return caught.value.problems


def entry(**options: object) -> BotEntry:
    lines = {key: number for number, key in enumerate(options, start=11)}
    return BotEntry("a", "racetime", True, options, "config.yaml", 10, lines, "bots[0]")


def write(folder: Path, text: str | bytes, name: str = "config.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    header = path.read_bytes().decode(errors="replace").splitlines()
    expected = [line.removeprefix("# expect: ") for line in header if line.startswith("# expect: ")]
    found = problems_of(Path(path.name))
    places = [f"{p.line}: " + (f"{p.file}: " if p.file != path.name else "") for p in found]
    assert sorted(f"{at}{p.key}: {p.message}" for at, p in zip(places, found, strict=True)) == sorted(expected)
    assert list(found) == sorted(found)
    assert "hunter2" not in "".join(map(str, found))


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_file(path: Path) -> None:
    assert isinstance(load(path), Config)


def test_every_key_has_its_effect() -> None:
    path = DATA / "good" / "all_keys.yaml"
    config = load(path)
    assert [(key.name, key.role, key.key_file) for key in config.web.keys] == [
        ("grafana", "read", path.parent / "secret"),
        ("operator", "admin", path.parent / "secret"),
    ]
    assert config.web.open_reads
    assert config.web.metrics_key
    assert list(map(str, config.web.trusted_proxies)) == ["127.0.0.1/32", "fd00::/8"]
    assert config.storage.url == Secret(f"sqlite:///{path.parent / 'kept' / 'history.sqlite3'}")
    assert (config.storage.retention.age_s, config.storage.retention.rows) == (30 * 86400, 5000)
    assert config.steam.logon_interval_s == 0.5
    assert config.steam.cm_list == (
        "wss://cm.example:27018/cmsocket/",
        "wss://[::1]:443/cmsocket/",
        "ws://127.0.0.1:8080/cmsocket/",
    )
    assert config.steam.directory_url == "https://directory.example"
    assert config.racetime.url == "https://racetime.example:8443"
    assert config.racetime.poll_interval_s == 90.0
    assert config.racetime.user_agent == "tests (admin@example.org)"
    assert not config.simulators.racetime.enabled
    assert [bot.name for bot in config.bots] == ["a", "b", "c", "d"]
    first, second, third, _ = config.bots
    assert not first.active
    assert first.options == {"category": "alttpr", "goal": {"name": "Beat the game"}}
    assert second.options["username"] == "alttpr"
    assert second.options["number"] == 16
    assert third.file == str(path.parent / "bots" / "listed.yaml")


def test_defaults() -> None:
    config = load(DATA / "good" / "minimal.yaml")
    assert config.bots == ()
    assert config.racetime.url == "https://racetime.gg"
    assert config.racetime.poll_interval_s == 30.0
    assert config.web.keys == ()
    assert config.storage.url is None
    assert (config.storage.retention.age_s, config.storage.retention.rows) == (90 * 86400, 1_000_000)


def test_a_cluster_is_off_and_each_process_has_its_own_name_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not load(DATA / "good" / "minimal.yaml").cluster.enabled
    monkeypatch.setattr(socket, "gethostname", lambda: "Bots-1.example.org")
    config = load(DATA / "good" / "cluster.yaml")
    assert config.cluster.me == "bots-1"
    assert config.cluster.my_url == "https://bots-1.example.org:9977"
    assert config.cluster.my_egress == "bots-1"
    assert [bot.runs_on for bot in config.bots] == [{"one"}, {"one", "two"}, frozenset()]


def test_a_host_without_a_good_name_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "bots_#1")
    assert [(each.key, each.message) for each in problems_of(DATA / "good" / "cluster.yaml")] == [
        ("cluster.instance", "is missing, and the host's name is none: give a name")
    ]


def test_the_password_of_the_database_is_never_shown(tmp_path: Path) -> None:
    config = load(write(tmp_path, "storage: {url: 'postgresql://me:hunter2@db.example:5433/bots'}"))
    assert config.storage.url == Secret("postgresql://me:hunter2@db.example:5433/bots")
    assert "hunter2" not in f"{config!r} {config.storage} {config.storage.model_dump()}"


@pytest.mark.parametrize("url", ["postgresql://me:hunter2@h/db", "postgresql://h/db?user=me&password=hunter2"])
def test_a_command_line_holds_no_password(url: str) -> None:
    with pytest.raises(ConfigError, match=r"--storage\.url: must not hold a password.*storage\.url") as caught:
        parse_flags([f"--storage.url={url}"])
    assert "hunter2" not in str(caught.value)


def test_the_flag_names_a_database() -> None:
    assert parse_flags(["--storage.url=postgresql://me@h/db"]).storage_url == "postgresql://me@h/db"
    assert parse_flags(["--storage.url=sqlite:///x.db"]).storage_url == f"sqlite:///{Path.cwd() / 'x.db'}"
    assert parse_flags([]).storage_url is None
    with pytest.raises(ConfigError, match=r"--storage\.url: must be sqlite:///FILE"):
        parse_flags(["--storage.url=history.sqlite3"])


def test_shipped_file_runs_the_demo_bots() -> None:
    config = load(ROOT / "config.yaml")
    assert config.simulators.racetime.enabled
    assert config.simulators.racetime.scenario == "demo"
    assert (config.simulators.steam.enabled, config.simulators.steam.scenario) == (True, "demo")
    bots = {platform: [each for each in config.bots if each.platform == platform] for platform in ("racetime", "dota2")}
    assert [bot.name for bot in config.bots] == ["alttpr", "ootr", "smz3", "sm", *(f"lobby-{n}" for n in range(1, 9))]
    for number, bot in enumerate(bots["dota2"], 1):
        assert bot.options["username"] == f"demo-bot-{number}"
        assert secret_option(bot, "password", config.base_dir).read().reveal() == demo_password(number)
        if number % 2:
            shared = secret_option(bot, "shared_secret", config.base_dir).read().reveal()
            assert base64.b64decode(shared) == demo_secret(number)
    for bot in bots["racetime"]:
        assert bot.options["category"] == bot.name
        assert bot.options["client_id"] == f"demo-{bot.name}"
        assert secret_option(bot, "client_secret", config.base_dir).read().reveal() == f"demo-{bot.name}-secret"


def test_entry_points_at_the_line_of_a_key() -> None:
    first = load(DATA / "good" / "all_keys.yaml").bots[0]
    assert str(first.problem("goal.name", "no")).endswith("all_keys.yaml:28: bots[0].goal.name: no")
    assert first.problem("goal.custom", "no").line == 27
    assert first.problem("client_id", "no").line == 23
    assert first.problem("", "no").key == "bots[0]"


def test_entries_are_equal_wherever_they_stand(tmp_path: Path) -> None:
    one = load(write(tmp_path, "bots: [{name: a, platform: racetime, x: [1]}]")).bots[0]
    other = load(write(tmp_path, "\n\nbots:\n- {platform: racetime, name: b}\n- {x: [1], platform: racetime, name: a}"))
    assert one == other.bots[1]
    assert one != other.bots[0]


def test_platform_problems_come_with_the_others(tmp_path: Path) -> None:
    path = write(tmp_path, "bots:\n- {name: A, platform: nowhere, x: 1}\n- {name: b, platform: racetime}\n")

    def check(bot: BotEntry) -> list[Problem]:
        return [bot.problem("platform", "unknown")] if bot.platform == "nowhere" else []

    with pytest.raises(ConfigError) as caught:
        load(path, check)
    assert [(p.line, p.key) for p in caught.value.problems] == [(2, "bots[0].name"), (2, "bots[0].platform")]


def test_options_never_show_in_a_representation() -> None:
    bot = load(ROOT / "config.yaml").bots[0]
    assert "demo-alttpr-secret" not in repr(bot)
    assert "demo-alttpr-secret" not in repr(secret_option(bot, "client_secret", ROOT))


def test_unreadable_files(tmp_path: Path) -> None:
    assert problems_of(tmp_path / "absent.yaml")[0].message == "cannot be read: No such file or directory"
    assert problems_of(tmp_path)[0].message == "cannot be read: Is a directory"
    assert problems_of(Path("\0"))[0].message == "cannot be read: this is no file name"
    assert "larger than 16 MiB" in problems_of(write(tmp_path, b"#" * (16 * 1024 * 1024 + 1)))[0].message


def test_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    assert load(write(tmp_path, b"\xef\xbb\xbfbots: []\n")).bots == ()


def test_wide_pattern_leaves_out_the_file_itself(tmp_path: Path) -> None:
    shutil.copy(DATA / "good" / "bots" / "listed.yaml", tmp_path)
    assert [bot.name for bot in load(write(tmp_path, "bots_files: ['*.yaml']")).bots] == ["c"]
    absolute = f"bots_files: ['{tmp_path}/list*.yaml', listed.yaml]"
    assert [bot.name for bot in load(write(tmp_path, absolute)).bots] == ["c"]


def test_odd_names_of_bots_files(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder.list").mkdir()
    found = problems_of(write(tmp_path, f"bots_files: [loop, '{'x' * 300}', '*.list', '*/*/[!a]*', 'loo?']"))
    assert [(p.line, p.message.split(": ")[0].split(" (")[0].rsplit("/")[-1][-14:]) for p in found] == [
        (1, "does not exist"),
        (1, "does not exist"),
        (0, "cannot be read"),
        (0, "cannot be read"),
    ]


def test_alias_depth_counts_once_written_out(tmp_path: Path) -> None:
    levels = "\n".join(f"- &a{n} [[[[[[[[[[*a{n - 1}]]]]]]]]]]" for n in range(1, 5))
    found = problems_of(write(tmp_path, f"bots:\n- &a0 x\n{levels}\n"))
    assert any("once its aliases are written out" in problem.message for problem in found)


def test_hostile_key_is_cut_and_escaped(tmp_path: Path) -> None:
    (found,) = problems_of(write(tmp_path, f'"a\\nb": 1\nbots: [{{name: a, platform: racetime, {"k" * 90}: !x 1}}]'))[
        :1
    ]
    assert found.key == "a\\nb"
    assert all(len(each.key) < 80 for each in problems_of(tmp_path / "config.yaml"))


def test_fleet_of_a_thousand_keeps_its_lines(tmp_path: Path) -> None:
    text = "bots:\n" + "".join(f"- name: bot-{n}\n  platform: racetime\n  category: c\n" for n in range(1000))
    bots = load(write(tmp_path, text)).bots
    assert len(bots) == 1000
    assert bots[999].lines["category"] == 3001


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("localhost", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("127.evil.example", False),
        ("", False),
    ],
)
def test_loopback(host: str, answer: bool) -> None:
    assert is_loopback(host) is answer


def test_unknown_key_message() -> None:
    assert unknown_key("categroy", ["category"]) == "unknown key: did you mean category?"
    assert unknown_key("x", ["category", "goal"]) == "unknown key: known are category, goal"


def test_secret_hides_itself() -> None:
    secret = Secret("hunter2")
    assert f"{secret} {secret!r} {[secret]}".count("hunter2") == 0
    assert secret.reveal() == "hunter2"
    assert secret == Secret("hunter2")
    assert secret != Secret("hunter3")
    assert secret != "hunter2"
    for copier in (pickle.dumps, copy.copy, copy.deepcopy, hash):
        with pytest.raises(TypeError):
            copier(secret)


@pytest.mark.parametrize(
    ("content", "secret"), [(b"abc\n", "abc"), (b"abc\r\n", "abc"), (b"abc\n\n", "abc\n"), (b" a", " a")]
)
def test_secret_file(tmp_path: Path, content: bytes, secret: str) -> None:
    assert read_secret_file(write(tmp_path, content, "secret")).reveal() == secret


@pytest.mark.parametrize(
    ("content", "message"), [(b"\n", "empty"), (b"", "empty"), (b"x" * 65537, "64 KiB"), (b"\xff", "UTF-8")]
)
def test_unusable_secret_file(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path, content, "secret")
    with pytest.raises(SecretError, match=message) as caught:
        read_secret_file(path)
    assert str(path) in str(caught.value)


def test_secret_file_that_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, message in (("fifo", "regular"), (".", "regular"), ("absent", "No such file")):
        with pytest.raises(SecretError, match=message):
            read_secret_file(tmp_path / name)


def test_secret_option_inline() -> None:
    source = secret_option(entry(client_secret="hunter2"), "client_secret", Path())
    assert source.read().reveal() == "hunter2"
    assert source.fingerprint() == source.fingerprint()
    assert source == SecretSource(None, Secret("hunter2"))


def test_secret_option_from_a_file_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path, "one\n", "secret")
    source = secret_option(entry(client_secret_file="secret"), "client_secret", tmp_path)
    before = source.fingerprint()
    assert source.read().reveal() == "one"
    path.write_text("three\n")
    assert source.read().reveal() == "three"
    assert source.fingerprint() != before
    path.unlink()
    assert source.fingerprint() is None
    with pytest.raises(SecretError):
        source.read()


@pytest.mark.parametrize(
    ("options", "line", "key", "message"),
    [
        ({}, 10, "token", "is missing: give token_file (a path) or token"),
        ({"token": "x", "token_file": "y"}, 12, "token_file", "token is given too: keep one of them"),
        ({"token": 424242}, 11, "token", "must be a string, not a number: quote it"),
        ({"token": None}, 11, "token", "must be a string, not nothing"),
        ({"token": ""}, 11, "token", "must be a string, not nothing"),
        ({"token_file": 424242}, 11, "token_file", "must be the path of a file, not a number"),
        ({"token_file": "\0"}, 11, "token_file", "is no path of a file"),
        ({"token_file": "absent"}, 11, "token_file", "secret file absent cannot be read: No such file or directory"),
    ],
)
def test_secret_option_mistakes(options: dict[str, object], line: int, key: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        secret_option(entry(**options), "token", Path())
    assert caught.value.problems == (Problem("config.yaml", line, f"bots[0].{key}", message),)


ANY_FILE = settings(
    max_examples=max(150, EXAMPLES), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.datetimes()
KEYS = st.text() | st.sampled_from(
    [
        "web",
        "keys",
        "name",
        "role",
        "key_file",
        "racetime",
        "url",
        "poll_interval",
        "user_agent",
        "simulators",
        "bots",
        "bots_files",
        "platform",
        "active",
    ]
)
STRUCTURES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=30)
SNIPPETS = st.sampled_from(
    [
        "bots:",
        "\n",
        "  ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        "&a ",
        "*a",
        "!!int ",
        "!x ",
        "<<: ",
        "? ",
        ": ",
        '"',
        "'",
        "|",
        "0x_",
        "1:30",
        "2024-99-99",
        "%YAML 1.1",
        "---",
        ".inf",
        "0001-01-01 00:00:00 +23:59",
        "\t",
        "#",
        "=",
        "0o8",
        "name: a",
        "racetime: ",
        "url: http://[",
        "poll_interval: ",
        "9" * 5000,
        "\\ud800",
        "web: {keys: ",
        "bots_files: ",
        "**/[",
    ]
)


def loads_or_explains(path: Path) -> None:
    try:
        load(path)
    except ConfigError as error:
        assert error.problems  # noqa: PT017  (either outcome is right)


@ANY_FILE
@given(content=st.binary() | st.text().map(str.encode) | st.lists(SNIPPETS).map(lambda parts: "".join(parts).encode()))
def test_any_content_loads_or_explains(tmp_path: Path, content: bytes) -> None:
    loads_or_explains(write(tmp_path, content))


@ANY_FILE
@given(structure=STRUCTURES | st.dictionaries(KEYS, STRUCTURES))
def test_any_structure_loads_or_explains(tmp_path: Path, structure: object) -> None:
    loads_or_explains(write(tmp_path, yaml.safe_dump(structure, allow_unicode=True)))
