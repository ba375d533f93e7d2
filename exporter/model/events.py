"""The facts that bots and their runners report, in the past tense. `at` is when it happened, in Unix seconds."""

from typing import ClassVar

from exporter.errors import AuthReason, FailureReason
from exporter.model.record import Record
from exporter.model.states import CreateFailure, DisconnectReason, PlatformTraits
from exporter.model.status import (
    BotMemory,
    BotRecord,
    ExpectedPlayers,
    LobbyRecord,
    Maintenance,
    RaceRecord,
    RaceView,
)


class _Fact(Record, frozen=True):
    bot: str
    at: float


class BotAdded(_Fact, frozen=True):
    """A bot entered the fleet; `memory` is what an earlier run knew of it. `arrival` tells how it came to be here."""

    traits: PlatformTraits
    subject: str
    active: bool
    memory: BotMemory | None = None
    arrival: str | None = None


class BotRecalled(_Fact, frozen=True):
    """What an earlier run knew of a bot was read late: the bot was in the fleet already."""

    memory: BotMemory


class BotRemoved(_Fact, frozen=True):
    """A bot left the fleet; with `elsewhere` only this process' part of it, for another process runs it."""

    elsewhere: bool = False


class BotStarted(_Fact, frozen=True):
    """An operator switched the bot on."""


class BotStopped(_Fact, frozen=True):
    """An operator switched the bot off."""

    lost: ClassVar[DisconnectReason] = DisconnectReason.OPERATOR


class MaintenanceBegan(_Fact, frozen=True):
    """An operator announced maintenance."""

    maintenance: Maintenance


class MaintenanceEnded(_Fact, frozen=True):
    """Maintenance is over."""


class ConnectStarted(_Fact, frozen=True):
    """An attempt to connect began."""


class StateEntered(_Fact, frozen=True):
    """The bot reached a state of its platform's life cycle."""

    state: str


class HealthProved(_Fact, frozen=True):
    """The service answered in a way that proves the bot works; good for `valid_s` seconds."""

    valid_s: float


class CheckFailed(_Fact, frozen=True):
    """One check of the bot's health failed; the last proof holds until it expires."""

    reason: FailureReason
    message: str


class ProofExpired(_Fact, frozen=True):
    """The last proof of health is too old to be believed."""

    age_s: float


class ServiceLost(_Fact, frozen=True):
    """A part of the service without which the bot cannot work is gone for too long; its connection lives on."""

    reason: FailureReason
    message: str


class ConnectionFailed(_Fact, frozen=True):
    """Connecting, or a connection, failed; the next attempt is at `retry_at`. `lost` says how a live one ended."""

    reason: FailureReason
    message: str
    retry_at: float
    lost: DisconnectReason


class CredentialsRefused(_Fact, frozen=True):
    """The service refused the credentials; `retry_at` is None when only an operator can help."""

    reason: AuthReason
    message: str
    retry_at: float | None
    lost: DisconnectReason = DisconnectReason.TOKEN


class TokenRefused(_Fact, frozen=True):
    """The service refused a kept token; the bot goes on by other credentials, or by its session while that lasts."""

    reason: AuthReason
    message: str


class LogonQueued(_Fact, frozen=True):
    """The bot waits for its turn to log on; `message` says what it waits for."""

    message: str


class LogonStarted(_Fact, frozen=True):
    """The bot's turn to log on has come."""


class GuardCodeRequested(_Fact, frozen=True):
    """The service wants a second proof of identity that only an operator can give.

    `kind` is `email_code`, `device_code`, `device_confirmation` or `email_confirmation`. `reason` tells a first request
    from one after a wrong code.
    """

    kind: str
    reason: AuthReason
    message: str


class GuardCodeSettled(_Fact, frozen=True):
    """The second proof was given, or is wanted no more."""


class BotCrashed(_Fact, frozen=True):
    """The bot's own code failed: a bug."""

    message: str
    retry_at: float
    lost: ClassVar[DisconnectReason] = DisconnectReason.OTHER


class Disconnected(_Fact, frozen=True):
    """The connection was ended on purpose by a restart, a reload or the end of the process."""

    lost: DisconnectReason


class TokenIssued(_Fact, frozen=True):
    """The service issued a token that is good until `expires_at`."""

    expires_at: float


class ActivitySeen(_Fact, frozen=True):
    """Something happened in a lobby or race of the bot (reported at most once in ten seconds)."""


class RaceCreated(_Fact, frozen=True):
    """The bot opened a race room of its own."""

    race: str


class RaceUpdated(_Fact, frozen=True):
    """The service described a race that the bot follows."""

    view: RaceView

    @property
    def race(self) -> str:
        return self.view.name


class RoomConnected(_Fact, frozen=True):
    """The bot's socket to a race room is open."""

    race: str


class RoomDisconnected(_Fact, frozen=True):
    """The bot's socket to a race room is closed."""

    race: str


class RaceForgotten(_Fact, frozen=True):
    """The bot no longer follows a race; with `elsewhere` it does, in another process."""

    race: str
    elsewhere: bool = False


class LobbyCreated(_Fact, frozen=True):
    """A lobby that was ordered was confirmed, `took_s` seconds after it was asked for."""

    lobby_id: int
    took_s: float
    expected: ExpectedPlayers = None


class LobbyCreateFailed(_Fact, frozen=True):
    """A lobby that was ordered did not come about, or was not confirmed in time."""

    reason: CreateFailure
    message: str


class LobbyUpdated(_Fact, frozen=True):
    """A lobby of the bot was asked for, was described by the coordinator, or is out of the bot's sight."""

    lobby: LobbyRecord

    @property
    def key(self) -> str:
        return self.lobby.key


class LobbyForgotten(_Fact, frozen=True):
    """A finished or failed lobby is no longer shown; with `elsewhere` another process watches it."""

    key: str
    elsewhere: bool = False


BotEvent = (
    BotAdded
    | BotRecalled
    | BotRemoved
    | BotStarted
    | BotStopped
    | MaintenanceBegan
    | MaintenanceEnded
    | ConnectStarted
    | StateEntered
    | HealthProved
    | CheckFailed
    | ProofExpired
    | ServiceLost
    | ConnectionFailed
    | CredentialsRefused
    | BotCrashed
    | TokenRefused
    | LogonQueued
    | LogonStarted
    | GuardCodeRequested
    | GuardCodeSettled
    | Disconnected
    | TokenIssued
    | ActivitySeen
    | RaceCreated
    | LobbyCreated
    | LobbyCreateFailed
)
RaceEvent = RaceUpdated | RoomConnected | RoomDisconnected | RaceForgotten
LobbyEvent = LobbyUpdated | LobbyForgotten
Event = BotEvent | RaceEvent | LobbyEvent


class BotChange(Record, frozen=True):
    """What one event did to one bot: `before` is None for a new one, `after` for one that is gone."""

    event: Event
    name: str
    before: BotRecord | None
    after: BotRecord | None
    kind: ClassVar[str] = "bot"


class RaceChange(Record, frozen=True):
    """What one event did to one race."""

    event: RaceEvent
    name: str
    before: RaceRecord | None
    after: RaceRecord | None
    kind: ClassVar[str] = "race"


class LobbyChange(Record, frozen=True):
    """What one event did to one lobby."""

    event: LobbyEvent
    name: str
    before: LobbyRecord | None
    after: LobbyRecord | None
    kind: ClassVar[str] = "lobby"


Change = BotChange | RaceChange | LobbyChange
