"""The web configuration file: one bad file per mistake, with promtool as the judge of what it knows.

A file's header has the expected problems. `# stricter:` says why promtool takes a file that is refused here, and
`# newer:` which keys Debian's promtool does not know yet.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from exporter.config import load
from exporter.errors import ConfigError
from exporter.tls import CIPHER_SUITES, CURVES, TLS13_SUITES
from exporter.web_config import Rate, load_web_config
from tests import certificates
from tests.tools import require_tool

DATA = Path(__file__).parents[1] / "data" / "web_config"
BAD = sorted((DATA / "bad").glob("*.yml"))
GOOD = sorted((DATA / "good").glob("*.yml"))
FILES = pytest.mark.parametrize("path", [*BAD, *GOOD], ids=lambda path: f"{path.parent.name}/{path.stem}")
TLS = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"


@pytest.fixture(scope="session")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pems")
    _, key = certificates.issue(folder, "cert")
    key.rename(folder / "key.pem")
    certificates.issue(folder, "other")
    (folder / "encrypted.key").write_bytes(certificates.encrypted(folder / "key.pem"))
    certificates.weak(folder)
    certificates.authority("clients").cert_pem.write_to_path(str(folder / "ca.pem"))
    return folder


@pytest.fixture
def folder(pems: Path, tmp_path: Path) -> Path:
    shutil.copytree(pems, tmp_path, dirs_exist_ok=True)
    return tmp_path


def header(path: Path, word: str) -> list[str]:
    lines = path.read_text().splitlines()
    return [line.removeprefix(f"# {word}: ") for line in lines if line.startswith(f"# {word}: ")]


def write(folder: Path, text: str) -> Path:
    (folder / "web.yml").write_text(text)
    return folder / "web.yml"


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_file(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(path, folder)
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError) as caught:
        load_web_config(Path(path.name))
    found = [f"{each.line}: {each.key}: {each.message}" for each in caught.value.problems]
    assert sorted(found) == sorted(header(path, "expect"))
    assert "hunter2" not in "".join(found)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_file(path: Path, folder: Path) -> None:
    shutil.copy(path, folder)
    assert load_web_config(folder / path.name).path == folder / path.name


@FILES
def test_promtool_agrees(path: Path, folder: Path) -> None:
    promtool = require_tool("promtool", "prometheus")
    shutil.copy(path, folder)
    command = [promtool, "check", "web-config", str(folder / path.name)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    said = ran.stdout + ran.stderr
    newer = bool(header(path, "newer"))
    accepted = bool(header(path, "stricter")) or (path.parent.name == "good" and not newer)
    assert (ran.returncode == 0) is accepted, said
    assert not newer or "not found in type" in said or "FAILED" in said


def test_promtool_knows_the_same_names(folder: Path) -> None:
    promtool = require_tool("promtool", "prometheus")
    suites = ", ".join([*CIPHER_SUITES, *TLS13_SUITES])
    path = write(folder, f"{TLS}  cipher_suites: [{suites}]\n  curve_preferences: [{', '.join(CURVES)}]\n")
    command = [promtool, "check", "web-config", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_key_has_its_effect(folder: Path) -> None:
    shutil.copy(DATA / "good" / "all_keys.yml", folder)
    config = load_web_config(folder / "all_keys.yml")
    assert config.files == tuple(folder / name for name in ("all_keys.yml", "cert.pem", "key.pem", "ca.pem"))
    assert dict(config.headers) == {
        "Content-Security-Policy": "default-src 'self'",
        "X-Frame-Options": "sameorigin",
        "X-Content-Type-Options": "nosniff",
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    }
    assert set(config.users) == {"ann", ""}
    assert "$2y" not in repr(config)
    assert config.tls is not None
    assert config.tls.client_must_show
    assert config.rate is None


def test_the_newer_keys(folder: Path) -> None:
    shutil.copy(DATA / "good" / "newer_keys.yml", folder)
    config = load_web_config(folder / "newer_keys.yml")
    assert config.rate == Rate(0.1, 5)
    assert config.tls is not None
    names = {"a.example", "192.0.2.1", "2001:db8::1", "admin@example.org", "https://a.example/"}
    assert config.tls.allowed_sans == names


def test_certificates_can_stand_in_the_file_itself(folder: Path) -> None:
    def indented(name: str) -> str:
        return "".join(f"    {line}\n" for line in (folder / name).read_text().splitlines())

    text = f"tls_server_config:\n  cert: |\n{indented('cert.pem')}  key: |\n{indented('key.pem')}"
    more = f"  client_ca: |\n{indented('ca.pem')}  client_auth_type: RequireAndVerifyClientCert\n"
    config = load_web_config(write(folder, text + more))
    assert config.files == (folder / "web.yml",)
    assert config.tls is not None
    assert [each["subject"] for each in config.tls.context.get_ca_certs()]
    wrong = text.replace(indented("key.pem"), indented("other.key"))
    with pytest.raises(ConfigError, match=r"tls_server_config\.key: is not the private key"):
        load_web_config(write(folder, wrong))


def test_nothing_configured_is_nothing(folder: Path) -> None:
    config = load_web_config(write(folder, "# later\n"))
    assert (config.tls, dict(config.headers), dict(config.users), config.rate) == (None, {}, {}, None)


def test_large_and_odd_files(folder: Path) -> None:
    (folder / "cert.pem").write_bytes(b"x" * (1024 * 1024 + 1))
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        load_web_config(write(folder, TLS))
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_web_config(folder / "absent.yml")


def test_mistakes_come_with_those_of_the_configuration(folder: Path) -> None:
    (folder / "config.yaml").write_text("pots: []\n")
    with pytest.raises(ConfigError) as caught:
        load(folder / "config.yaml", web_config=write(folder, "tls: 1\n"))
    assert [(Path(each.file).name, each.key) for each in caught.value.problems] == [
        ("config.yaml", "pots"),
        ("web.yml", "tls"),
    ]
    (folder / "config.yaml").write_text("bots: []\n")
    assert load(folder / "config.yaml").web_config is None
    with_it = load(folder / "config.yaml", web_config=write(folder, TLS))
    assert with_it.web_config is not None
