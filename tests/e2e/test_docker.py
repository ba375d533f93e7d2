"""The Dockerfile cannot rot: its image is built where an engine is, its steps are carried out everywhere."""

import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from tests import dockerfile
from tests.e2e.command import ROOT
from tests.eventually import until
from tests.image import image
from tests.wheel import fill_environment

DOCKERFILE = ROOT / "Dockerfile"
INSTALL_LOCKED = "/opt/bot-exporter/bin/python -m pip install --no-cache-dir --require-hashes -r requirements/run.txt"


REVISION = "0123456789abcdef0123456789abcdef01234567"
# What operators and developers may have lying about in a checkout.
PRIVATE = (".env", ".git/config", "data/admin.key", "data/tokens/bot.json", "deploy/compose/bots/secrets/bot.secret")


@pytest.fixture(scope="module")
def secret() -> bytes:
    return b"this-must-not-get-into-an-image"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, secret: bytes) -> Path:
    """Return a checkout with secrets in it, without its history and its environment."""
    folder = tmp_path_factory.mktemp("tree")
    beside = shutil.ignore_patterns("__pycache__", "secrets")
    for name in ("alerts", "deploy", "exporter", "requirements"):
        shutil.copytree(ROOT / name, folder / name, ignore=beside)
    for name in (".dockerignore", "Dockerfile", "LICENSE", "Makefile", "README.md", "config.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    for name in PRIVATE:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(secret)
    return folder


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory, tree: Path) -> dockerfile.Build:
    """Return the image's file system. The locked requirements come from the environment of the tests, not by pip."""
    build = dockerfile.Build(
        tree,
        tmp_path_factory.mktemp("image"),
        {INSTALL_LOCKED: lambda root: fill_environment(root / "opt" / "bot-exporter")},
    )
    build.run(dockerfile.read(tree / "Dockerfile"))
    return build


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    ended = subprocess.run([hadolint, "--no-color", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")


def test_what_is_installed_by_hash_is_what_development_installs() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "-m pip install --quiet --require-hashes -r requirements/run.txt" in makefile


def test_nothing_private_is_sent_to_docker() -> None:
    seen = {path.as_posix() for path in dockerfile.context(ROOT, ROOT / ".dockerignore")}
    assert {"exporter/cli.py", "requirements/run.txt", "config.yaml"} <= seen
    tops = {name.partition("/")[0] for name in seen}
    assert tops <= {
        "LICENSE",
        "README.md",
        "alerts",
        "config.yaml",
        "deploy",
        "exporter",
        "pyproject.toml",
        "requirements",
    }
    assert not any("__pycache__" in name or ".venv" in name for name in seen)


def test_the_image_says_what_it_is() -> None:
    final = dockerfile.read(DOCKERFILE)[-1]
    labels = " ".join(each.rest for each in final.all("LABEL"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"VERSION={project['version']}" in [each.rest for each in final.all("ARG")]
    for name in ("title", "description", "version", "revision", "licenses"):
        assert f"org.opencontainers.image.{name}=" in labels
    assert project["description"] in labels


def test_it_runs_as_a_number_and_owns_its_data(steps: dockerfile.Build) -> None:
    final = dockerfile.read(DOCKERFILE)[-1]
    user, _, group = final.one("USER").rest.partition(":")
    assert user.isdecimal()
    assert group.isdecimal()
    assert int(user) > 0
    data = Path(steps.here(final.one("VOLUME").rest))
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert f"--data.dir={final.one('VOLUME').rest}" in final.one("ENTRYPOINT").arguments()
    if os.geteuid() == 0:
        assert data.stat().st_uid == int(user)


def test_the_image_has_no_tools_to_install_more(steps: dockerfile.Build) -> None:
    programs = {each.name for each in Path(steps.here("/opt/bot-exporter/bin")).iterdir()}
    assert "bot-exporter" in programs
    assert not {each for each in programs if each.startswith("pip")}


async def test_it_runs_as_the_documents_say(
    tree: Path,
    steps: dockerfile.Build,
    secret: bytes,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """On every address of the container, with a read-only root, as a number; only the data can be written."""
    with image(tree, steps, tmp_path, REVISION) as made:
        record_property("image", made.how)
        version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", made.user)
        assert made.labels["org.opencontainers.image.title"] == "bot-exporter"
        assert made.labels["org.opencontainers.image.version"] == version
        assert made.labels["org.opencontainers.image.revision"] == REVISION
        names = set()
        for name, content in made.contents():
            assert secret not in content, name
            names.add(name)
        assert {"opt/bot-exporter/bin/bot-exporter", "etc/bot-exporter/config.yaml"} <= names
        assert await made.healthcheck_alone() == 1
        async with made.serving() as container, aiohttp.ClientSession(container.url) as session:
            await until(container.healthy, limit_s=120)
            async with session.get("/metrics") as response:
                assert (response.status, "bot_info{" in await response.text()) == (200, True)
            async with session.get("/status") as response:
                assert response.status == 401  # from other machines reading needs a key
