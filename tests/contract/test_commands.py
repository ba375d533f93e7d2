"""The commands in the documents: their flags, routes, methods, files and verbs exist, and questions are answered."""

import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest

from exporter import migrate
from exporter.ctl import main as botctl
from exporter.flags import parse_flags
from tests.contract.test_documents import DOCUMENTS, ROOT, blocks, prose
from tests.shell import Request, commands, curl_request, variables
from tests.web.fleet import Fleet

OURS = "http://127.0.0.1:9977"
BOTCTL_REFERENCE = ROOT / "docs" / "botctl_commands.md"


def scripts() -> Iterator[tuple[Path, str]]:
    for path in DOCUMENTS:
        for block in blocks(path.read_text(encoding="utf-8"), "sh"):
            yield path, block


def spoken() -> Iterator[tuple[Path, list[str]]]:
    """Yield every command of the documents, its own variables replaced, without what only says as whom it runs."""
    for path, block in scripts():
        known = {"url": OURS, **variables(block)}
        for words in commands(block):
            replaced = [_expanded(word, known) for word in words]
            while replaced and replaced[0] in {"sudo", "until", "do", "then", "!"}:
                replaced = replaced[1:]
            if replaced:
                yield path, replaced


def _expanded(word: str, known: Mapping[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda match: known.get(match[1], "x"), word)


def of(program: str) -> list[tuple[Path, list[str]]]:
    return [(path, words) for path, words in spoken() if Path(words[0]).name == program]


def requests() -> list[tuple[Path, Request]]:
    """Return what is asked of us."""
    asked = [(path, curl_request(words)) for path, words in of("curl")]
    return [(path, each) for path, each in asked if re.match(r"http://(?:127\.0\.0\.1|192\.0\.2\.10):9977", each.url)]


def test_there_is_something_to_check() -> None:
    assert len(of("bot-exporter")) >= 8
    assert len(lines("botctl")) >= 20
    assert len(mentions()) >= 4
    assert len(requests()) >= 40
    assert len({path for path, _ in requests()}) >= 10


def lines(program: str) -> list[str]:
    """Return each line of a program once."""
    return sorted({shlex.join(words) for _, words in of(program)})


@pytest.mark.parametrize("line", lines("bot-exporter"))
def test_our_command_takes_these_flags(line: str) -> None:
    arguments = shlex.split(line)[1:]
    with contextlib.suppress(SystemExit) if arguments == ["--version"] else contextlib.nullcontext():
        if arguments[:1] == ["migrate"]:
            migrate.parse_flags(arguments[1:])
        else:
            parse_flags(arguments)


def mentions() -> list[str]:
    """Return what the prose says of botctl, each once: it may leave out what a command is about."""
    texts = [prose(path.read_text(encoding="utf-8")) for path in DOCUMENTS if path != BOTCTL_REFERENCE]
    return sorted({each for text in texts for each in re.findall(r"`(botctl [^`\n]+)`", text)})


def told_to_botctl(line: str) -> None:
    """Parse a line as botctl would; raises UsageError."""
    context: click.Context | None = None
    command: click.Command = botctl.botctl
    name, *arguments = shlex.split(line)
    with contextlib.suppress(click.exceptions.Exit):  # --help and --version
        while True:
            context = command.make_context(name, arguments, parent=context)
            if not isinstance(command, click.Group):
                return
            found, inner, arguments = command.resolve_command(context, [*context._protected_args, *context.args])
            assert inner is not None
            name, command = str(found), inner


@pytest.mark.parametrize("line", lines("botctl"))
def test_botctl_takes_these_lines(line: str) -> None:
    told_to_botctl(line)


@pytest.mark.parametrize("line", mentions())
def test_what_is_said_of_botctl_is_true(line: str) -> None:
    with contextlib.suppress(click.MissingParameter):
        told_to_botctl(line.replace("COMMAND", "status"))  # any will do


@pytest.mark.parametrize(
    "line",
    [
        "botctl lobbi",
        "botctl lobby lanch 1",
        "botctl start",
        "botctl start a --wayt",
        "botctl races --limit=many",
        "botctl",
    ],
)
def test_a_wrong_line_is_seen(line: str) -> None:
    with pytest.raises(click.UsageError):
        told_to_botctl(line)


@pytest.mark.parametrize("line", lines("make"))
def test_make_has_these_verbs(line: str) -> None:
    verbs = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {word for word in shlex.split(line)[1:] if "=" not in word} <= verbs


async def test_every_request_has_a_route_that_takes_its_method() -> None:
    async with Fleet() as fleet:
        table = [(each.method, re.sub(r"\{\w+\}", "[^/]+", each.path)) for each in fleet.server.routes]
    for path, each in requests():
        methods = {method for method, pattern in table if re.fullmatch(pattern, each.path)}
        wanted = "GET" if each.method == "HEAD" else each.method
        assert wanted in methods, (path.name, each)
        json = any(header.lower().startswith("content-type: application/json") for header in each.headers)
        assert json == (each.body is not None), (path.name, each, "bodies are JSON, and say so")


def test_files_of_this_repository_that_commands_name_exist() -> None:
    named = [
        (path, word.partition("=")[2] if word.startswith("-") else word)
        for path, words in spoken()
        for word in words
        if re.search(r"(?:^|=)(?:alerts|dashboards|deploy|requirements|scripts)/", word)
    ]
    assert len(named) >= 10
    for path, name in named:
        assert list(ROOT.glob(name)), (path.name, name)
