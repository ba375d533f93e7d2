"""Keys: read from files, compared, never shown."""

from pathlib import Path

import pytest

from exporter.secrets import SecretError
from exporter.sections import Web, WebKey
from exporter.web.answers import HttpProblem
from exporter.web.keys import Access, AccessKey, Gate, Role, read_keys

KEYS = (AccessKey.of("eye", "read", "secret-r"), AccessKey.of("boss", "admin", "secret-a"))


@pytest.mark.parametrize("access", [Access.PUBLIC, Access.METRICS])
@pytest.mark.parametrize("sent", [{}, {"X-API-Key": "wrong"}])
def test_public_routes_look_at_no_key(access: Access, sent: dict[str, str]) -> None:
    assert Gate(KEYS).admit(access, sent, loopback=False) is None


def test_reads() -> None:
    assert Gate(KEYS).admit(Access.READ, {}, loopback=True) is None
    assert Gate(KEYS, open_reads=True).admit(Access.READ, {}, loopback=False) is None
    assert Gate(KEYS).admit(Access.READ, {"X-API-Key": "secret-r"}, loopback=False) is KEYS[0]
    assert Gate(KEYS).admit(Access.READ, {"Authorization": "Bearer secret-a"}, loopback=False) is KEYS[1]
    with pytest.raises(HttpProblem) as caught:
        Gate(KEYS).admit(Access.READ, {}, loopback=False)
    assert caught.value.status == 401


def test_orders_need_an_admin_key_everywhere() -> None:
    gate = Gate(KEYS, open_reads=True)
    assert gate.admit(Access.ADMIN, {"X-API-Key": "secret-a"}, loopback=True) is KEYS[1]
    for sent, status in (({}, 401), ({"X-API-Key": "secret-r"}, 403), ({"X-API-Key": "secret"}, 401)):
        with pytest.raises(HttpProblem) as caught:
            gate.admit(Access.ADMIN, sent, loopback=True)
        assert caught.value.status == status
        assert "secret" not in caught.value.detail


def test_without_keys_nothing_fits() -> None:
    with pytest.raises(HttpProblem):
        Gate().admit(Access.READ, {"X-API-Key": ""}, loopback=False)


def test_keys_are_read_from_their_files(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("from-file\n")
    section = Web(keys=(WebKey(name="eye", role="admin", key_file=str(path)),))  # type: ignore[arg-type]
    (key,) = read_keys(section)
    assert (key.name, key.role) == ("eye", Role.ADMIN)
    assert Gate([key]).admit(Access.ADMIN, {"X-API-Key": "from-file"}, loopback=False) is key
    path.write_text("changed")
    assert read_keys(section) != (key,)
    path.unlink()
    with pytest.raises(SecretError):
        read_keys(section)


def test_a_key_does_not_show_itself() -> None:
    assert repr(KEYS[0]) == "AccessKey(name='eye', role=<Role.READ: 'read'>)"
