"""Keys: read from files, made for want of others, compared, limited when they are wrong, never shown."""

import base64
import os
import stat
from pathlib import Path

import bcrypt
import pytest

from exporter.errors import StartError
from exporter.secrets import SecretError
from exporter.sections import Web
from exporter.web.answers import HttpProblem
from exporter.web.clients import Client
from exporter.web.failures import MOST_FAILURES, WINDOW_S, Failures
from exporter.web.keys import Access, AccessKey, AccessRules, Gate, Role, read_rules
from exporter.web.passwords import Passwords
from tests.clock import ManualClock

KEYS = (AccessKey.of("eye", "read", "secret-r"), AccessKey.of("boss", "admin", "secret-a"))
HERE, AWAY, OTHER = Client("127.0.0.1", True), Client("192.0.2.1", False), Client("192.0.2.2", False)
NO_KEYS = Web.model_validate({})
READER, BOSS = {"X-API-Key": "secret-r"}, {"X-API-Key": "secret-a"}


def gate(
    rules: AccessRules | None = None, passwords: Passwords | None = None, clock: ManualClock | None = None
) -> Gate:
    return Gate(rules or AccessRules(KEYS), Failures(clock or ManualClock()), passwords)


def login(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def refusal(of: Gate, access: Access, sent: dict[str, str], client: Client = AWAY) -> HttpProblem:
    with pytest.raises(HttpProblem) as caught:
        await of.admit(access, sent, client)
    assert "secret" not in caught.value.detail
    return caught.value


@pytest.fixture
def passwords() -> Passwords:
    return Passwords({"ann": bcrypt.hashpw(b"pass", bcrypt.gensalt(4))})


@pytest.mark.parametrize("access", [Access.PUBLIC, Access.PAGE, Access.METRICS])
@pytest.mark.parametrize("sent", [{}, {"X-API-Key": "wrong"}])
async def test_public_routes_look_at_no_key(access: Access, sent: dict[str, str]) -> None:
    assert await gate().admit(access, sent, AWAY) is None


async def test_reads() -> None:
    assert await gate().admit(Access.READ, {}, HERE) is None
    assert await gate(AccessRules(KEYS, open_reads=True)).admit(Access.READ, {}, AWAY) is None
    assert await gate().admit(Access.READ, READER, AWAY) is KEYS[0]
    assert await gate().admit(Access.READ, {"Authorization": "Bearer secret-a"}, AWAY) is KEYS[1]
    assert (await refusal(gate(), Access.READ, {})).status == 401


async def test_orders_need_an_admin_key_everywhere() -> None:
    door = gate(AccessRules(KEYS, open_reads=True))
    assert await door.admit(Access.ADMIN, BOSS, HERE) is KEYS[1]
    for sent, status in (({}, 401), (READER, 403), ({"X-API-Key": "secret"}, 401)):
        assert (await refusal(door, Access.ADMIN, sent, HERE)).status == status


async def test_metrics_need_a_key_when_they_are_to_also_on_loopback() -> None:
    door = gate(AccessRules(KEYS, open_reads=True, metrics_key=True))
    for client in (HERE, AWAY):
        assert (await refusal(door, Access.METRICS, {}, client)).status == 401
        assert await door.admit(Access.METRICS, {"Authorization": "Bearer secret-r"}, client) is KEYS[0]


async def test_without_keys_nothing_fits() -> None:
    assert (await refusal(gate(AccessRules()), Access.READ, {"X-API-Key": ""})).status == 401


# --- basic auth ---


async def test_with_basic_auth_everything_but_the_probes_is_closed(passwords: Passwords) -> None:
    door = gate(AccessRules(KEYS, open_reads=True), passwords)
    assert await door.admit(Access.PUBLIC, {}, AWAY) is None
    for access in (Access.PAGE, Access.METRICS, Access.READ):
        refused = await refusal(door, access, {}, HERE)
        assert (refused.status, refused.headers["WWW-Authenticate"].split()[0]) == (401, "Basic")
        assert await door.admit(access, login("ann", "pass"), AWAY) is None
        assert await door.admit(access, READER, AWAY) is KEYS[0]
        assert (await refusal(door, access, login("ann", "wrong"))).status == 401
        assert (await refusal(door, access, login("bob", "pass"))).status == 401


async def test_a_user_gives_no_orders(passwords: Passwords) -> None:
    door = gate(passwords=passwords)
    for sent in (login("ann", "pass"), {}, {"X-API-Key": "wrong"}):
        refused = await refusal(door, Access.ADMIN, sent)
        assert (refused.status, refused.headers["WWW-Authenticate"].split()[0]) == (401, "Basic")
        assert "X-API-Key" in refused.detail
    for _ in range(MOST_FAILURES + 1):  # a user without a key has guessed nothing
        assert (await refusal(door, Access.ADMIN, login("ann", "pass"))).status == 401
    assert await door.admit(Access.ADMIN, login("ann", "pass") | BOSS, AWAY) is KEYS[1]
    assert await door.admit(Access.ADMIN, BOSS, AWAY) is KEYS[1]
    assert (await refusal(door, Access.ADMIN, login("ann", "pass") | READER)).status == 403


async def test_a_bearer_is_told_to_move_when_basic_auth_is_on(passwords: Passwords) -> None:
    for access in (Access.READ, Access.ADMIN, Access.METRICS):
        refused = await refusal(gate(passwords=passwords), access, {"Authorization": "Bearer secret-a"})
        assert refused.status == 401
        assert "send a key in X-API-Key" in refused.detail


@pytest.mark.parametrize("text", ["Basic", "Basic ", "Basic !!!", "Basic YQ", "basic " + "w" * 4, "Basic YW5u"])
async def test_a_login_that_cannot_be_read_is_a_wrong_one(passwords: Passwords, text: str) -> None:
    assert (await refusal(gate(passwords=passwords), Access.READ, {"Authorization": text})).status == 401


# --- failures ---


async def test_wrong_keys_are_limited_by_address_and_right_ones_pass() -> None:
    clock = ManualClock()
    door = gate(clock=clock)
    for _ in range(MOST_FAILURES):
        assert (await refusal(door, Access.READ, {"X-API-Key": "guess"})).status == 401
    await clock.advance(20)
    refused = await refusal(door, Access.READ, {"X-API-Key": "guess"})
    assert (refused.status, refused.headers["Retry-After"]) == (429, "40")
    assert await door.admit(Access.READ, READER, AWAY) is KEYS[0]
    assert (await refusal(door, Access.READ, {})).status == 401  # to have no key is no guess
    assert (await refusal(door, Access.READ, {"X-API-Key": "guess"}, OTHER)).status == 401
    await clock.advance(WINDOW_S - 20)
    assert (await refusal(door, Access.READ, {"X-API-Key": "guess"})).status == 401


async def test_wrong_passwords_are_limited_and_one_that_was_right_before_passes(passwords: Passwords) -> None:
    door = gate(passwords=passwords)
    assert await door.admit(Access.READ, login("ann", "pass"), AWAY) is None
    for number in range(MOST_FAILURES):
        assert (await refusal(door, Access.READ, login("ann", f"guess {number}"))).status == 401
    assert (await refusal(door, Access.READ, login("ann", "another"))).status == 429
    assert passwords.known("ann", "another") is None  # it was not even compared
    assert (await refusal(door, Access.READ, login("ann", "guess 1"))).status == 429
    assert await door.admit(Access.READ, login("ann", "pass"), AWAY) is None
    assert (await refusal(door, Access.ADMIN, {"X-API-Key": "guess"})).status == 429


# --- files ---


def test_keys_are_read_from_their_files(tmp_path: Path) -> None:
    path, told = tmp_path / "key", list[str]()
    path.write_text("from-file\n")
    keys = [{"name": "eye", "role": "admin", "key_file": "key"}]
    section = Web.model_validate({"keys": keys, "metrics_key": True}, context={"base_dir": tmp_path})
    rules = read_rules(section, tmp_path, told.append)
    assert rules.keys == (AccessKey.of("eye", "admin", "from-file"),)
    assert (rules.keys[0].role, rules.metrics_key, rules.made_key, told) == (Role.ADMIN, True, None, ["from-file"])
    path.write_text("changed")
    assert read_rules(section, tmp_path).keys == (AccessKey.of("eye", "admin", "changed"),)
    path.unlink()
    with pytest.raises(SecretError):
        read_rules(section, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_admin_key_is_made_once_when_none_is_configured(tmp_path: Path) -> None:
    (tmp_path / "admin.new").write_text("half of a k")  # what a start that was killed leaves behind
    told = list[str]()
    os.umask(os.umask(0o022))
    rules = read_rules(NO_KEYS, tmp_path, told.append)
    path = tmp_path / "admin.key"
    assert rules.made_key == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text().strip()
    assert len(text) >= 43
    assert rules.keys == (AccessKey.of("admin", "admin", text),)
    assert told == [text]
    assert read_rules(NO_KEYS, tmp_path) == rules
    assert [each.name for each in tmp_path.iterdir()] == ["admin.key"]
    path.unlink()
    assert read_rules(NO_KEYS, tmp_path).keys != rules.keys


def test_a_data_directory_that_takes_no_key(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"admin\.key.*--data\.dir"):
        read_rules(NO_KEYS, tmp_path / "missing")


def test_a_key_does_not_show_itself() -> None:
    assert repr(KEYS[0]) == "AccessKey(name='eye', role=<Role.READ: 'read'>)"
