"""The Dockerfile cannot rot: its steps are carried out without Docker, and what comes of them runs as an image does."""

import os
import socket
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import aiohttp
import pytest

from tests import dockerfile
from tests.e2e.command import ROOT, Ended, exporter, run_to_end
from tests.wheel import fill_environment

DOCKERFILE = ROOT / "Dockerfile"
CONFINE = ROOT / "tests" / "confine.py"
UNIT = ROOT / "deploy" / "systemd" / "bot-exporter.service"
INSTALL_LOCKED = "/opt/bot-exporter/bin/python -m pip install --no-cache-dir --require-hashes -r requirements/run.txt"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> dockerfile.Build:
    """Return the image's file system. The locked requirements come from the environment of the tests, not by pip."""
    build = dockerfile.Build(
        ROOT,
        tmp_path_factory.mktemp("image"),
        {INSTALL_LOCKED: lambda root: fill_environment(root / "opt" / "bot-exporter")},
    )
    build.run(dockerfile.read(DOCKERFILE))
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


def test_it_runs_as_a_number_and_owns_its_data(image: dockerfile.Build) -> None:
    final = dockerfile.read(DOCKERFILE)[-1]
    user, _, group = final.one("USER").rest.partition(":")
    assert user.isdecimal()
    assert group.isdecimal()
    assert int(user) > 0
    data = Path(image.here(final.one("VOLUME").rest))
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert f"--data.dir={final.one('VOLUME').rest}" in final.one("ENTRYPOINT").arguments()
    if os.geteuid() == 0:
        assert data.stat().st_uid == int(user)


def test_the_image_has_no_tools_to_install_more(image: dockerfile.Build) -> None:
    programs = {each.name for each in Path(image.here("/opt/bot-exporter/bin")).iterdir()}
    assert "bot-exporter" in programs
    assert not {each for each in programs if each.startswith("pip")}


async def test_the_entrypoint_serves_and_the_healthcheck_sees_it(image: dockerfile.Build, tmp_path: Path) -> None:
    """As the image does: on every address, with a read-only root file system, where only the data can be written."""
    final = dockerfile.read(DOCKERFILE)[-1]
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]

    def here(arguments: list[str]) -> list[str]:
        program, *rest = (image.here(each).replace(":9977", f":{port}") for each in arguments)
        return [image.here(f"/opt/bot-exporter/bin/{program}"), *rest]

    entry = here(final.one("ENTRYPOINT").arguments())
    (config,) = (Path(each.partition("=")[2]) for each in entry if each.startswith("--config.file="))
    command = (sys.executable, str(CONFINE), str(UNIT), str(tmp_path), *entry)
    healthcheck, *flags = here(final.one("HEALTHCHECK").arguments())
    assert (await run_to_end(*flags, command=Path(healthcheck), cwd=tmp_path)).code == 1
    async with (
        exporter(config, tmp_path / "data", command=command, cwd=tmp_path) as running,
        aiohttp.ClientSession(running.url) as session,
    ):
        assert running.url == f"http://127.0.0.1:{port}"
        assert await run_to_end(*flags, command=Path(healthcheck), cwd=tmp_path) == Ended(0, "", "")
        async with session.get("/metrics") as response:
            assert response.status == 200
        async with session.get("/status") as response:
            assert response.status == 401  # from other machines reading needs a key
