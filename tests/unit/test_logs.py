"""Logs: every line parses back, stays one line, and holds no secret."""

import base64
import io
import json
import logging
import re
from collections.abc import Mapping

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from exporter.logs import STARS, Redactor, configure, is_secret_name, logfmt
from exporter.secrets import Secret
from tests.clock import ManualClock

TOKEN = "Zx9-top/secret value"
FIELD = re.compile(r'([A-Za-z0-9_.]+)=("(?:[^"\\]|\\.)*"|[^ "=]+)(?: |$)')
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"


def parse(line: str) -> dict[str, str]:
    """Read a logfmt line back, refusing anything that is no field."""
    assert FIELD.sub("", line) == ""
    return {key: json.loads(value) if value.startswith('"') else value for key, value in FIELD.findall(line)}


pytestmark = pytest.mark.usefixtures("logging_restored")


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def redactor(stream: io.StringIO) -> Redactor:
    redactor = configure("info", "logfmt", stream, now=lambda: 1_800_000_000.0625)
    redactor.add(Secret(TOKEN))
    return redactor


def lines(stream: io.StringIO) -> list[dict[str, str]]:
    return [parse(line) for line in stream.getvalue().splitlines()]


def test_line_reads_as_those_of_prometheus(redactor: Redactor, stream: io.StringIO) -> None:
    structlog.get_logger(component="runner").bind(bot="alttpr").info("race opened", room="a/b", entrants=3, ok=True)
    assert stream.getvalue() == (
        "ts=2027-01-15T08:00:00.062Z level=info component=runner bot=alttpr"
        ' msg="race opened" room=a/b entrants=3 ok=true\n'
    )


def test_json_holds_the_same_fields(stream: io.StringIO) -> None:
    configure("debug", "json", stream, now=lambda: 0.0)
    structlog.get_logger(component="runner").warning("it's\n", data={"a": [1, None]}, ratio=float("nan"))
    assert stream.getvalue().count("\n") == 1
    assert json.loads(stream.getvalue()) == {
        "ts": "1970-01-01T00:00:00.000Z",
        "level": "warn",
        "component": "runner",
        "msg": "it's\n",
        "data": {"a": [1, None]},
        "ratio": "nan",
    }


@pytest.mark.parametrize(("level", "passed"), [("debug", 4), ("info", 3), ("warn", 2), ("warning", 2), ("error", 1)])
def test_levels_filter_both_worlds(level: str, passed: int, stream: io.StringIO) -> None:
    configure(level, "logfmt", stream)
    for name in ("debug", "info", "warning", "error"):
        getattr(structlog.get_logger(), name)("ours")
        getattr(logging.getLogger("asyncio"), name)("theirs")
    assert [line["msg"] for line in lines(stream)] == ["ours", "theirs"] * passed


def test_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="use debug, info, warn or error"):
        configure("loud", "logfmt")


def test_filtered_event_touches_no_value(redactor: Redactor, stream: io.StringIO) -> None:
    class Untouchable:
        def __str__(self) -> str:
            raise AssertionError("rendered")

    structlog.get_logger().debug("frame", data=Untouchable())
    assert stream.getvalue() == ""


def test_libraries_take_the_same_way_out(
    redactor: Redactor, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()  # pytest's own handlers raise on a wrong format argument
    monkeypatch.setattr(root, "handlers", [each for each in root.handlers if "pytest" not in type(each).__module__])
    logging.getLogger("aiohttp.server").warning("100%% of %s by %s", TOKEN, "Bearer abc")
    logging.getLogger("aiohttp.server").warning("100% sure")
    logging.getLogger("aiohttp.server").error("no number: %d", "twelve")
    logging.getLogger("aiohttp.server").log(25, "odd level")
    assert [(line["level"], line["logger"], line["msg"]) for line in lines(stream)] == [
        ("warn", "aiohttp.server", f"100% of {STARS} by Bearer {STARS}"),
        ("warn", "aiohttp.server", "100% sure"),
        ("error", "aiohttp.server", "no number: %d ('twelve',)"),
        ("info", "aiohttp.server", "odd level"),
    ]


def test_frames_and_access_logs_stay_quiet_even_at_debug(stream: io.StringIO) -> None:
    configure("debug", "logfmt", stream)
    logging.getLogger("websockets.client").debug("> TEXT %s", "frame")
    logging.getLogger("aiohttp.access").info("GET /metrics")
    logging.getLogger("websockets.client").warning("odd frame")
    assert [line["msg"] for line in lines(stream)] == ["odd frame"]


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_traceback_is_one_field_without_secrets(form: str, stream: io.StringIO) -> None:
    configure("info", "json" if form == "json" else "logfmt", stream).add(TOKEN)
    try:
        raise ValueError(f"service said {TOKEN}\nlevel=info msg=forged")
    except ValueError:
        structlog.get_logger().exception("crashed", z=1)
        logging.getLogger("asyncio").exception("crashed as well")
    assert stream.getvalue().count("\n") == 2
    for line in stream.getvalue().splitlines():
        fields = json.loads(line) if form == "json" else parse(line)
        assert fields["level"] == "error"
        assert list(fields)[-1] == "exception"
        assert fields["exception"].startswith("Traceback (most recent call last):\n")
        assert f"ValueError: service said {STARS}\n" in fields["exception"]
    assert TOKEN not in stream.getvalue()


def test_configured_again_writes_once_and_to_the_new_stream(redactor: Redactor, stream: io.StringIO) -> None:
    log = structlog.get_logger(component="store")
    second = io.StringIO()
    configure("info", "logfmt", second, redactor=redactor)
    log.info("ours", seen=TOKEN)
    logging.getLogger("asyncio").info("theirs")
    assert stream.getvalue() == ""
    assert [line["msg"] for line in lines(second)] == ["ours", "theirs"]
    assert lines(second)[0]["seen"] == STARS


def test_default_stream_is_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "logfmt")
    structlog.get_logger().info("hello")
    assert parse(capsys.readouterr().err.rstrip("\n"))["msg"] == "hello"


def test_broken_stream_does_not_reach_the_caller(stream: io.StringIO) -> None:
    configure("info", "logfmt", stream)
    stream.close()
    structlog.get_logger().info("into the void")


def test_field_names_of_the_line_cannot_be_taken(redactor: Redactor, stream: io.StringIO) -> None:
    structlog.get_logger().info("true", **{"level": "forged", "msg": "forged", "ts": 1, "a b=c": 2})
    (line,) = lines(stream)
    assert (line["level"], line["msg"], line["msg_"], line["a_b_c"]) == ("info", "true", "forged", "2")


@pytest.mark.parametrize(
    "name",
    [
        "client_secret",
        "token",
        "access_token",
        "refreshToken",
        "password",
        "Authorization",
        "X-API-Key",
        "api_key",
        "code",
        "guard",
        "guard_code",
        "auth_code",
        "two_factor_code",
        "shared_secret",
        "cookie",
        "apikey",
        "tokens",
    ],
)
def test_secret_names(name: str, redactor: Redactor, stream: io.StringIO) -> None:
    assert is_secret_name(name)
    structlog.get_logger().info("x", **{name: "tiny", "nested": {"list": [{name: 12}]}})
    assert "tiny" not in stream.getvalue()
    assert "12" not in stream.getvalue().split("nested")[1]


@pytest.mark.parametrize(
    "name",
    [
        "token_expires_at",
        "password_file",
        "status_code",
        "close_code",
        "key",
        "codec",
        "monkey",
        "barcode",
        "author",
        "guard_code_waiting",
        "token_type",
        "secretary",
        "keys",
        "error_code",
    ],
)
def test_names_of_no_secret(name: str) -> None:
    assert not is_secret_name(name)


def test_facts_under_secret_names_are_kept_when_they_are_no_text(redactor: Redactor) -> None:
    assert redactor.value({"has_password": True, "token": None}) == {"has_password": True, "token": None}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Authorization: Bearer xyz", f"Authorization: Bearer {STARS}"),
        ("authorization=Basic dTpw", f"authorization=Basic {STARS}"),
        ("{'Authorization': 'Bearer xyz', 'A': 1}", f"{{'Authorization': 'Bearer {STARS}', 'A': 1}}"),
        ("GET /o/token?token=xyz&a=1", f"GET /o/token?token={STARS}&a=1"),
        ("client_id=a&client_secret=xyz", f"client_id=a&client_secret={STARS}"),
        ("password='x y' next", f"password={STARS} next"),
        ('{"access_token": "x\\"y", "a": 1}', f'{{"access_token": {STARS}, "a": 1}}'),
        ("https://a/?code=R2D2X", f"https://a/?code={STARS}"),
        (f"got {JWT}, bad", f"got {STARS}, bad"),
        ("close code=1006 token: expired at a=b", "close code=1006 token: expired at a=b"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_patterns(text: str, clean: str) -> None:
    assert Redactor().text(text) == clean


@pytest.mark.parametrize(
    "shown", [TOKEN, "Zx9-top/secret%20value", "Zx9-top%2Fsecret%20value", "Zx9-top%2Fsecret+value"]
)
def test_known_value_is_hidden_in_every_form(shown: str, redactor: Redactor) -> None:
    class Oddity:
        def __repr__(self) -> str:
            return f"<{shown}>"

    event = {"msg": shown, "deep": [{"a": (shown, {shown})}], shown: 1, "raw": shown.encode(), "object": Oddity()}
    event["error"] = ValueError(shown)
    clean = repr(redactor.value(event))
    assert shown not in clean
    assert clean.count(STARS) == 7


def test_known_numbers_and_escaped_values_are_hidden() -> None:
    redactor = Redactor()
    redactor.add("123456")
    redactor.add('quo"te\n\\')
    assert redactor.value([123456, 12345, 7 << 20_000 and -1, 'repr: "quo\\"te\\n\\\\"']) == [
        STARS,
        12345,
        -1,
        f'repr: "{STARS}"',
    ]
    assert str(redactor.value(7 << 20_000)).startswith("0x7")


def test_short_values_are_not_hidden_and_old_ones_are_forgotten() -> None:
    redactor = Redactor()
    redactor.add("short")
    redactor.add("longer secret")
    redactor.add("longer secret with a tail")
    assert redactor.text("short longer secret with a tail, longer secret") == f"short {STARS}, {STARS}"
    redactor.discard("longer secret")
    assert redactor.text("longer secret with a tail, longer secret") == f"{STARS}, longer secret"
    redactor.discard(Secret("longer secret with a tail"))
    redactor.discard("never added")
    assert redactor.text("longer secret with a tail") == "longer secret with a tail"


def test_what_is_good_for_a_while_is_hidden_for_a_while() -> None:
    """A process that lives for months keeps no more tokens than are still good."""
    clock = ManualClock()
    redactor = Redactor(clock.monotonic)
    redactor.add("the-password")
    for number in range(1000):
        redactor.add(f"token-{number:04}", 3600.0)
        clock.skip(60)
    assert len(redactor) == 61
    assert redactor.text("the-password token-0999 token-0941 token-0100") == f"{STARS} {STARS} {STARS} token-0100"
    redactor.add("token-0999", 7200.0)  # still in use
    redactor.add("token-0998", 60.0)  # which was hidden for longer already
    redactor.add("the-password", 1.0)
    clock.skip(3540)
    redactor.add("token-1000", 1.0)
    assert redactor.text("the-password token-0999 token-0998 token-1000") == f"{STARS} {STARS} token-0998 {STARS}"
    assert len(redactor) == 3


def test_a_value_that_is_prolonged_at_each_logon_takes_no_more_room() -> None:
    clock = ManualClock()
    redactor = Redactor(clock.monotonic)
    for _ in range(1000):
        redactor.add("the token of a bot", 3600.0)
        clock.skip(60)
    assert len(redactor._ends) == 1
    clock.skip(3500)
    redactor.add("another token", 60.0)
    assert redactor.text("the token of a bot") == STARS
    clock.skip(100)
    redactor.add("and another", 60.0)
    assert redactor.text("the token of a bot") == "the token of a bot"
    assert len(redactor) == 1


def test_forms_that_two_values_share_stay_hidden() -> None:
    redactor = Redactor()
    redactor.add("pass word")
    redactor.add("pass%20word")
    redactor.discard("pass word")
    assert redactor.text("pass%20word, pass+word") == f"{STARS}, pass+word"
    redactor.discard("pass%20word")
    assert redactor.text("pass%20word") == "pass%20word"
    assert not redactor._heads
    assert not redactor._held


def test_packed_values_are_hidden() -> None:
    redactor = Redactor()
    redactor.add("pass?word>")
    for packed in (base64.b64encode(b"pass?word>"), base64.urlsafe_b64encode(b"pass?word>")):
        assert redactor.text(f"<{packed.decode().rstrip('=')}>") == f"<{STARS}>"


def test_what_has_no_text_and_what_has_no_end(redactor: Redactor, stream: io.StringIO) -> None:
    class Silent:
        def __str__(self) -> str:
            raise RuntimeError

    endless: list[object] = []
    endless.append(endless)
    structlog.get_logger().info("x", silent=Silent(), endless=endless)
    (line,) = lines(stream)
    assert line["silent"] == "<Silent without text: RuntimeError>"
    assert "..." in line["endless"]


@pytest.mark.parametrize(
    "name",
    ["a\nts=1 level=error", 'q" level="error', "\x1b[31mred", "\u2028", "\u202egnp.exe", "\ud800", "\\", "", "=", "é"],
)
def test_hostile_player_names_stay_inside_their_field(name: str, redactor: Redactor, stream: io.StringIO) -> None:
    structlog.get_logger().info(name, player=name, players=[name])
    (line,) = stream.getvalue().splitlines()
    assert line.isprintable()
    fields = parse(line)
    assert set(fields) == {"ts", "level", "msg", "player", "players"}
    assert fields["msg"] == fields["player"] == name
    assert json.loads(fields["players"]) == [name]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(fields=st.dictionaries(st.text(min_size=1), VALUES), where=st.text(), form=st.sampled_from(["logfmt", "json"]))
def test_any_event_is_one_line_that_parses_and_hides(fields: Mapping[str, object], where: str, form: str) -> None:
    redactor = Redactor()
    redactor.add(TOKEN)
    event = redactor(None, "info", {**fields, "last": f"{where}{TOKEN}{where}"})
    if form == "json":
        line = json.dumps(event)
        json.loads(line)
    else:
        line = logfmt(None, "info", event)
        parse(line)
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert TOKEN not in line
