"""Reads the commands of a shell script, as far as documents use the shell."""

import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

_ENDS = frozenset("\n;|&()")


def commands(script: str) -> list[list[str]]:
    """Return every simple command as its words, also those in `$(...)` outside of quotes."""
    lexer = shlex.shlex(script.replace("\\\n", " "), posix=True, punctuation_chars="\n;|&()")
    lexer.whitespace = " \t"
    lexer.whitespace_split = True  # and at the punctuation
    lexer.commenters = ""
    found: list[list[str]] = [[]]
    comment = False
    for word in lexer:
        if set(word) <= _ENDS:
            comment = comment and "\n" not in word
            found.append([])
        elif not comment:
            comment = word.startswith("#")
            if not comment:
                found[-1].append(word)
    return [each for each in found if each]


def variables(script: str) -> dict[str, str]:
    """Return what a script assigns as plain text."""
    pairs = (word.partition("=") for each in commands(script) if len(each) == 1 for word in each)
    return {name: value for name, _, value in pairs if value not in {"", "$"} and name.isidentifier()}


@dataclass(frozen=True)
class Request:
    """What a curl command asks for."""

    method: str
    url: str
    headers: tuple[str, ...]
    body: str | None

    @property
    def path(self) -> str:
        return urlsplit(self.url).path or "/"


_WITH_VALUE = {
    "-X": "method",
    "--request": "method",
    "-H": "header",
    "--header": "header",
    "-d": "body",
    "--data": "body",
    "-o": "out",
    "-w": "out",
}
_ALONE = frozenset({"-s", "-f", "-I", "-i", "-S", "-N", "--fail", "--silent"})


def curl_request(words: list[str]) -> Request:
    """Return what a curl command asks for; an option that is not known here is an error."""
    given: dict[str, list[str]] = {"method": [], "header": [], "body": [], "out": [], "url": []}
    rest = iter(words[1:])
    for word in rest:
        if word in _WITH_VALUE:
            given[_WITH_VALUE[word]].append(next(rest))
        elif word in _ALONE or (word[:2] != "--" and all(f"-{letter}" in _ALONE for letter in word.removeprefix("-"))):
            if "I" in word:
                given["method"].append("HEAD")
        elif word.startswith("-"):
            raise AssertionError(f"nobody has taught this reader what {word} does")
        else:
            given["url"].append(word)
    (url,) = given["url"]
    body = given["body"][-1] if given["body"] else None
    method = given["method"][-1] if given["method"] else "POST" if body is not None else "GET"
    return Request(method, url, tuple(given["header"]), body)
