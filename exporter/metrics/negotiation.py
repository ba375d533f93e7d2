"""Which form of the page a client gets: what its Accept and Accept-Encoding headers ask for, by q-value and order."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

_QVALUE = re.compile(r"0(\.[0-9]*)?|1(\.0*)?")


class Format(Enum):
    """The forms there are: media type, version and the Content-Type of the answer."""

    TEXT = ("text/plain", "0.0.4", "text/plain; version=0.0.4; charset=utf-8")
    OPENMETRICS = (
        "application/openmetrics-text",
        "1.0.0",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    )

    def __init__(self, media_type: str, version: str, content_type: str) -> None:
        self.media_type = media_type
        self.version = version
        self.content_type = content_type


@dataclass(frozen=True, slots=True)
class _Choice:
    """One element of an Accept or Accept-Encoding header."""

    value: str
    parameters: Mapping[str, str]
    q: float


def choose_format(accept: str | None) -> Format:
    """Return the form that suits the Accept header best; text where it says nothing that we know.

    A client that wants neither form still gets text, as from every exporter: a page that it may be able to read is
    worth more than a refusal. A version that we do not speak is not promised to anybody.
    """
    choices = list(_choices(accept or ""))
    best, best_rank = Format.TEXT, (0.0, 0)
    for offer in Format:
        rank = _rank(offer, choices)
        if rank[0] > 0 and rank > best_rank:
            best, best_rank = offer, rank
    return best


def allows_gzip(accept_encoding: str | None) -> bool:
    """Return whether the client takes gzip, and does not like the plain page better."""
    q = {choice.value: choice.q for choice in _choices(accept_encoding or "")}
    gzip_q = q.get("gzip", q.get("x-gzip", q.get("*", 0.0)))
    return gzip_q > 0 and gzip_q >= q.get("identity", 0.0)


def _rank(offer: Format, choices: list[_Choice]) -> tuple[float, int]:
    """Return the q-value and the (negative) place of the most specific element that speaks of the offer."""
    found = (0, 0.0, 0)
    for place, choice in enumerate(choices, start=1):
        specificity = _specificity(offer, choice)
        if specificity:
            found = max(found, (specificity, choice.q, -place))
    _, q, place = found
    return q, place


def _specificity(offer: Format, choice: _Choice) -> int:
    """Return how precisely the element names the offer, 0 for not at all.

    Parameters other than the version (charset, the escaping of names that ours never need) make no difference.
    """
    version = choice.parameters.get("version")
    if version not in (None, offer.version):
        return 0
    if choice.value == offer.media_type:
        return 3 if version is None else 4
    if choice.value == offer.media_type.split("/", maxsplit=1)[0] + "/*":
        return 2
    return 1 if choice.value == "*/*" else 0


def _choices(header: str) -> Iterator[_Choice]:
    """Yield the elements of the header that can be read; plain splits, so that no header is slow to read."""
    for element in header.split(","):
        value, *rest = element.split(";")
        parameters = {}
        for parameter in rest:
            key, _, word = parameter.partition("=")
            parameters[key.strip().lower()] = word.strip().strip('"')
        q = parameters.pop("q", "1")
        if _QVALUE.fullmatch(q):
            yield _Choice(value.strip().lower(), parameters, float(q))
