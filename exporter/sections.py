"""The sections of the configuration: which keys there are, what they may say, and what they are without being given.

What each is for stands beside it: `make docs` makes the tables of docs/configuration.md of it. A message of a check
names what to do and never holds a value: any value may be a secret.
"""

import math
import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, ValidationInfo

from exporter.described import Section, setting
from exporter.secrets import Secret, read_secret_file
from exporter.timing import parse_duration
from exporter.yaml_lines import kind_of, quote_hint

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_POLITE_POLL_S: Final = 1.0


def is_loopback(host: str) -> bool:
    """Say whether a host, as in an address, is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def valid_name(name: str) -> str:
    """Return a name as it is; raises ValueError with the form of names."""
    if not _NAME.fullmatch(name):
        raise ValueError("must be 1 to 64 of a-z, 0-9, _ . and -, and begin with a letter or digit")
    return name


def _printable(text: str) -> str:
    if not text or not text.isascii() or not text.isprintable():
        raise ValueError("must be printable ASCII text and not empty")
    return text


def _duration(value: object) -> float:
    if not isinstance(value, str) or len(value) > 32:
        raise ValueError("must be a duration: a number with a unit, such as 30s, 5m or 1h30m")
    return parse_duration(value)


def _key_file(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be the path of a file, not {kind_of(value)}")
    path = Path(info.context["base_dir"], value) if info.context else Path(value)
    read_secret_file(path)
    return path


def _folder(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError(f"must be the path of a folder, not {kind_of(value)}")
    return Path(info.context["base_dir"], value) if info.context else Path(value)


def _service_url(url: str, info: ValidationInfo) -> str:
    _not_beside_a_simulator(info)
    return https_url(url, info, "https://racetime.gg", "bots send their secrets there")


def _not_beside_a_simulator(info: ValidationInfo) -> None:
    if info.context and info.context["simulated"]:
        raise ValueError(f"excludes simulators.{info.context['simulated']}.enabled: remove one of them")


def _directory_url(url: str, info: ValidationInfo) -> str:
    _not_beside_a_simulator(info)
    return https_url(url, info, "https://api.steampowered.com", "bots trust what is there")


def https_url(url: str, info: ValidationInfo, example: str, because: str) -> str:
    """Return an address of scheme, host and port, http only where `allow_insecure` or loopback. Raises ValueError."""
    form = f"must be an address such as {example}"
    try:
        parts = urlsplit(url)
        port_is_good = parts.port != 0
    except ValueError:
        raise ValueError(form) from None
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password")
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_good:
        raise ValueError(form)
    if parts.path not in ("", "/") or "?" in url or "#" in url:
        raise ValueError(f"{form}, without a path or query")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"{form}, in ASCII and without spaces")
    if parts.scheme == "http" and not info.data.get("allow_insecure") and not is_loopback(parts.hostname):
        raise ValueError(f"must begin with https://, because {because} (or set allow_insecure)")
    return url.removesuffix("/")


def _cm_url(value: object, info: ValidationInfo) -> str:
    """Return the socket's address of a connection manager that is given as host:port or as a whole address."""
    _not_beside_a_simulator(info)
    form = "must be host:port or an address such as wss://host:port"
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(form)
    url = value if "://" in value else f"wss://{value}"
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("ws", "wss") and parts.hostname and parts.port and "@" not in parts.netloc
    except ValueError:
        raise ValueError(form) from None
    if not good or parts.path not in ("", "/", "/cmsocket", "/cmsocket/") or "?" in url or "#" in url:
        raise ValueError(form)
    if parts.scheme == "ws" and not info.data.get("allow_insecure") and not is_loopback(parts.hostname or ""):
        raise ValueError("must begin with wss://, because bots send their secrets there (or set allow_insecure)")
    return f"{parts.scheme}://{parts.netloc}/cmsocket/"


def _not_endless(seconds: float) -> float:
    if not 0 <= seconds < math.inf:
        raise ValueError("must be 0 or more")
    return seconds


def _polite(seconds: float, info: ValidationInfo) -> float:
    if not 0 < seconds < math.inf:
        raise ValueError("must be more than 0")
    url = info.data.get("url")
    simulated = bool(info.context and info.context["simulated"])
    if seconds < _POLITE_POLL_S and url and not simulated and not is_loopback(urlsplit(url).hostname or ""):
        raise ValueError("must be at least 1s: out of politeness to a public service (below only on loopback)")
    return seconds


def storage_url(text: str, base: Path) -> str:
    """Return the address of the database, the path of a file made absolute from `base`. Raises ValueError."""
    form = "must be sqlite:///FILE or postgresql://USER@HOST/DATABASE"
    try:
        parts = urlsplit(text)
        named = parts.scheme in ("postgresql", "postgres") and len(parts.path) > 1 and parts.port != 0
    except ValueError:
        raise ValueError(form) from None
    if not text.isprintable():
        raise ValueError(form)
    if text.startswith("sqlite:///") and len(parts.path) > 1:
        return f"sqlite:///{(base / text.removeprefix('sqlite:///')).absolute()}"
    if not named:
        raise ValueError(form)
    return text


def open_storage_url(text: str) -> str:
    """Return an address as storage_url does, for a place that everybody can read. Raises ValueError."""
    url = storage_url(text, Path())
    parts = urlsplit(url)
    if parts.password is not None or "password" in parse_qs(parts.query):
        raise ValueError(
            "must not hold a password, because other users see the command line: give it in storage.url of the "
            "configuration, or in a .pgpass file"
        )
    return url


def _storage_url(value: object, info: ValidationInfo) -> Secret:
    if not isinstance(value, str):
        raise ValueError(f"must be an address such as sqlite:///history.sqlite3, not {kind_of(value)}")
    return Secret(storage_url(value, info.context["base_dir"] if info.context else Path()))


def _for_a_while(seconds: float) -> float:
    if not 3600 <= seconds < math.inf:
        raise ValueError("must be at least 1h")
    return seconds


def _enough(rows: int) -> int:
    if rows < 1000:
        raise ValueError("must be 1000 or more")
    return rows


def _played_by(simulator: str) -> AfterValidator:
    def check(name: str, info: ValidationInfo) -> str:
        known = info.context["scenarios"].get(simulator, ()) if info.context else ()
        if known and name not in known:
            raise ValueError(f"is not known: choose one of {', '.join(known)}")
        return name

    return AfterValidator(check)


def _network(value: object) -> IPv4Network | IPv6Network:
    form = "must be an address or a whole network, such as 127.0.0.1, 10.0.0.0/8 or fd00::/8"
    if not isinstance(value, str):
        raise ValueError(f"{form}, not {kind_of(value)}{quote_hint(value)}")
    try:
        return ip_network(value)
    except ValueError:
        raise ValueError(form) from None


def _distinct(keys: tuple["WebKey", ...]) -> tuple["WebKey", ...]:
    names = [key.name for key in keys]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"names must differ: {', '.join(doubled)} is given twice")
    return keys


Name = Annotated[str, AfterValidator(valid_name)]


class WebKey(Section):
    """A named API key; the key itself is in `key_file`, read again on reload."""

    name: Name = setting(..., "who uses it; names must differ", values="a [name](#forms)", example="grafana")
    role: Literal["read", "admin"] = setting(
        ..., "admin includes read. Orders and a reload need `admin`", example="read"
    )
    key_file: Annotated[Path, BeforeValidator(_key_file)] = setting(
        ...,
        "the file with the key, read at the start and at each reload; it must exist",
        values="the path of a [secret file](#secret-files)",
        example="secrets/grafana.key",
    )


class Web(Section):
    """Who may read and give orders over HTTP. Headers of `trusted_proxies` say whom they speak for."""

    keys: Annotated[tuple[WebKey, ...], AfterValidator(_distinct)] = setting(
        (),
        "without any, an admin key is made at the first start, in `admin.key` in the data directory; with any, that "
        "one is not used",
        values="a list of keys",
        absent="one is made",
        example=[
            {"name": "grafana", "role": "read", "key_file": "secrets/grafana.key"},
            {"name": "operator", "role": "admin", "key_file": "secrets/operator.key"},
        ],
        strict=False,
    )
    open_reads: bool = setting(False, "`true`: reading needs no key from other machines either", example=False)
    metrics_key: bool = setting(False, "`true`: `/metrics` needs a key, also on loopback", example=False)
    trusted_proxies: tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)], ...] = setting(
        (),
        "your proxies. When one of them says in `X-Forwarded-For` for whom it asks, that is the client: for the limit "
        "of failures, and for whether it is on this machine. Proxies have no limit of connections of their own",
        values="a list of addresses and networks",
        absent="none",
        example=["127.0.0.1", "fd00::/8"],
        strict=False,
    )


class Retention(Section):
    """How long history is kept: by age, and by number."""

    age_s: Annotated[float, BeforeValidator(_duration), AfterValidator(_for_a_while)] = setting(
        7_776_000.0, "what is older is deleted", values="a duration, `1h` or more", example="90d", name="age"
    )
    rows: Annotated[int, AfterValidator(_enough)] = setting(
        1_000_000,
        "what is more is deleted, the oldest first",
        values="a number, 1000 or more",
        example=1_000_000,
    )


class Storage(Section):
    """Where history, orders and what is remembered of bots are kept."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    url: Annotated[Secret | None, BeforeValidator(_storage_url)] = setting(
        None,
        "the database; a password in it is never shown. `--storage.url` wins over it",
        values="`sqlite:///FILE`, or `postgresql://USER:PASSWORD@HOST/DATABASE`",
        absent="`history.sqlite3` in the data directory",
        example="sqlite:///data/history.sqlite3",
        secret=True,
    )
    retention: Retention = Retention.model_validate({})


class Racetime(Section):
    """How the racetime.gg bots reach the site."""

    # The order matters: an address is judged by allow_insecure, an interval by the address.
    allow_insecure: bool = setting(
        False,
        "`true`: `url` may be `http://` on another machine. Secrets then travel in the clear",
        example=False,
    )
    url: Annotated[str, AfterValidator(_service_url)] = setting(
        "https://racetime.gg",
        "where the site is. `http://` only on loopback or with `allow_insecure`. Not allowed beside an "
        "enabled simulator",
        values="scheme, host and port, nothing behind them",
        example="https://racetime.gg",
    )
    poll_interval_s: Annotated[float, BeforeValidator(_duration), AfterValidator(_polite)] = setting(
        30.0,
        "time between two polls of a bot's category, give or take a tenth. A bot is `connected` for three intervals "
        "after a good poll. The list of all races, which bots share, is read as often",
        values="a duration, `1s` or more; on loopback any",
        example="30s",
        name="poll_interval",
    )
    user_agent: Annotated[str, AfterValidator(_printable)] = setting(
        "bot-exporter",
        "who you are, for the site's owners. Please put an address in it",
        values="printable ASCII",
        example="my-bots (admin@example.org)",
    )


class Steam(Section):
    """How the bots of Steam's games reach it. `cm_list` takes the place of Steam's directory."""

    # The order matters: the addresses are judged by allow_insecure.
    allow_insecure: bool = setting(
        False,
        "`true`: addresses of other machines may be `http://` and `ws://`. Tokens then travel in the clear",
        example=False,
    )
    logon_interval_s: Annotated[float, BeforeValidator(_duration), AfterValidator(_not_endless)] = setting(
        10.0,
        "time from the start of one logon to the start of the next, over all bots of the process; `0s` is no limit. "
        "Steam limits logons by address: keep it at `10s` or more there",
        values="a duration",
        example="10s",
        name="logon_interval",
    )
    token_dir: Annotated[Path | None, BeforeValidator(_folder)] = setting(
        None,
        "the folder in which the tokens of accounts are kept. Several processes of a [cluster](#cluster) can share it, "
        "on a volume that all of them mount; a bot that moves then needs neither password nor guard code",
        values="the path of a folder; it is made if need be",
        absent="`tokens` in the data directory",
        example="/srv/bot-exporter/tokens",
        strict=False,
    )
    cm_list: tuple[Annotated[str, BeforeValidator(_cm_url)], ...] = setting(
        (),
        "connection managers to use instead of those that Steam's directory names. `ws://` only on loopback or with "
        "`allow_insecure`. Not allowed beside an enabled simulator",
        values="a list, each `host:port` or an address with `wss://` or `ws://`",
        absent="none",
        example=["cm.example.org:443"],
        strict=False,
    )
    directory_url: Annotated[str, AfterValidator(_directory_url)] = setting(
        "https://api.steampowered.com",
        "where the list of connection managers comes from. Not asked when `cm_list` is given. `http://` only on "
        "loopback or with `allow_insecure`. Not allowed beside an enabled simulator",
        values="scheme, host and port",
        example="https://api.steampowered.com",
    )


class RacetimeSimulation(Section):
    """The built-in racetime.gg."""

    enabled: bool = setting(
        False, "`true`: the racetime.gg bots talk to the simulator instead of the site", example=False
    )
    scenario: Annotated[Name, _played_by("racetime")] = setting(
        "demo",
        "`demo`: rooms open, fill, race and finish by themselves. `quiet`: the same categories, users and bots, but "
        "nothing happens. `trouble`: the demo on a site with outages, refused credentials and closed sockets, in a "
        "loop of twenty minutes",
        example="demo",
    )


class SteamSimulation(Section):
    """The built-in Steam."""

    enabled: bool = setting(False, "`true`: the Dota 2 bots talk to the simulator instead of Steam", example=False)
    scenario: Annotated[Name, _played_by("steam")] = setting(
        "demo",
        "`demo`: a Steam with the accounts `demo-bot-1` to `demo-bot-20` and a Dota 2 coordinator, where a league "
        "orders lobbies from the active bots on these accounts, and players come and play; times are shortened. "
        "`quiet`: the same accounts and coordinator, but nobody orders anything and nobody plays. `trouble`: as quiet, "
        "with more accounts, which are kicked, banned, limited and more",
        example="demo",
    )


class Simulators(Section):
    """Built-in stand-ins for the services."""

    racetime: RacetimeSimulation = RacetimeSimulation()
    steam: SteamSimulation = SteamSimulation()
