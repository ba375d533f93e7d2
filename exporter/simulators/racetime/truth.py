"""What is so at the site right now, whatever a client believes: tests compare /status and /metrics with it."""

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.simulators.faults import Effect
from exporter.simulators.racetime.faults import Faults
from exporter.simulators.racetime.kinds import KINDS
from exporter.simulators.racetime.rooms import RoomSocket
from exporter.simulators.racetime.world import World


@dataclass(frozen=True, slots=True)
class Truth:
    """How the site stands to one bot."""

    reachable: bool
    """The server listens, and an authenticated poll would get an undisturbed answer."""
    credentials_ok: bool
    """The token endpoint, when it answers, takes these credentials."""
    token_endpoint_ok: bool
    """The token endpoint answers, be it with 401."""
    tokens_refused: bool
    """The poll answers 403 although the token is good."""
    category_active: bool
    live_tokens: int
    """Tokens of this bot that are good now; its client may hold one of them or none."""
    doubtful: tuple[str, ...]
    """Faults at the poll or the token endpoint that a correct client may or may not survive."""
    rooms: Mapping[str, int]
    """The current rooms of its category, listed and unlisted, and how many sockets this bot has open in each."""

    @property
    def can_start(self) -> bool:
        """Whether a client that holds no token would get a good poll."""
        return self.credentials_ok and self.token_endpoint_ok and self._lets_poll

    @property
    def can_poll(self) -> bool:
        """Whether a client that holds the bot's newest token would get a good poll."""
        return self._lets_poll and (self.live_tokens > 0 or self.can_start)

    @property
    def _lets_poll(self) -> bool:
        return self.reachable and self.category_active and not self.tokens_refused


def truth_of(
    client_id: str,
    secret: str | None,
    *,
    world: World,
    faults: Faults,
    listening: bool,
    sockets: list[RoomSocket],
    now: float,
) -> Truth:
    """Return the truth about the bot with that client id, and that secret if one is given."""
    known = world.bots.get(client_id)
    bot = known or faults.deactivated(client_id)
    names = {client_id, bot.category.slug} if bot else {client_id}
    at_poll = [each.fault.kind for each in faults.matching("category", names)]
    at_token = [each.fault.kind for each in faults.matching("token", names)]
    live = [each for each in world.tokens.values() if each.bot is bot and world.live_token(each.value, now)]
    mine = {each.value for each in live}
    return Truth(
        reachable=listening and not _fatal(at_poll, but="refuse_tokens"),
        credentials_ok=known is not None
        and known.active
        and secret in {None, known.client_secret}
        and "refuse_credentials" not in at_token,
        token_endpoint_ok=listening and not _fatal(at_token, but="refuse_credentials"),
        tokens_refused="refuse_tokens" in at_poll,
        category_active=bot is not None and bot.category.active,
        live_tokens=len(live),
        doubtful=tuple(each for each in (*at_poll, *at_token) if KINDS[each].effect is Effect.DOUBTFUL),
        rooms={
            str(race): sum(each.race is race and each.token in mine for each in sockets)
            for race in (world.races_of(bot.category, current=True) if bot else ())
        },
    )


def _fatal(kinds: list[str], *, but: str) -> bool:
    return any(KINDS[each].effect is Effect.FATAL for each in kinds if each != but)
