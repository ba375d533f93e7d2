"""The facts that bots and their runners report, in the past tense. `at` is when it happened, in Unix seconds."""

from dataclasses import dataclass
from typing import ClassVar

from exporter.errors import AuthReason, FailureReason
from exporter.model.states import CreateFailure, DisconnectReason, PlatformTraits
from exporter.model.status import BotMemory, BotRecord, LobbyRecord, Maintenance, RaceRecord, RaceView


@dataclass(frozen=True, slots=True)
class _Fact:
    bot: str
    at: float


@dataclass(frozen=True, slots=True)
class BotAdded(_Fact):
    """A bot entered the fleet; `memory` is what an earlier run knew of it."""

    traits: PlatformTraits
    subject: str
    active: bool
    memory: BotMemory | None = None


@dataclass(frozen=True, slots=True)
class BotRecalled(_Fact):
    """What an earlier run knew of a bot was read late: the bot was in the fleet already."""

    memory: BotMemory


@dataclass(frozen=True, slots=True)
class BotRemoved(_Fact):
    """A bot left the fleet."""


@dataclass(frozen=True, slots=True)
class BotStarted(_Fact):
    """An operator switched the bot on."""


@dataclass(frozen=True, slots=True)
class BotStopped(_Fact):
    """An operator switched the bot off."""

    lost: ClassVar[DisconnectReason] = DisconnectReason.OPERATOR


@dataclass(frozen=True, slots=True)
class MaintenanceBegan(_Fact):
    """An operator announced maintenance."""

    maintenance: Maintenance


@dataclass(frozen=True, slots=True)
class MaintenanceEnded(_Fact):
    """Maintenance is over."""


@dataclass(frozen=True, slots=True)
class ConnectStarted(_Fact):
    """An attempt to connect began."""


@dataclass(frozen=True, slots=True)
class StateEntered(_Fact):
    """The bot reached a state of its platform's life cycle."""

    state: str


@dataclass(frozen=True, slots=True)
class HealthProved(_Fact):
    """The service answered in a way that proves the bot works; good for `valid_s` seconds."""

    valid_s: float


@dataclass(frozen=True, slots=True)
class CheckFailed(_Fact):
    """One check of the bot's health failed; the last proof holds until it expires."""

    reason: FailureReason
    message: str


@dataclass(frozen=True, slots=True)
class ProofExpired(_Fact):
    """The last proof of health is too old to be believed."""

    age_s: float


@dataclass(frozen=True, slots=True)
class ServiceLost(_Fact):
    """A part of the service without which the bot cannot work is gone for too long; its connection lives on."""

    reason: FailureReason
    message: str


@dataclass(frozen=True, slots=True)
class ConnectionFailed(_Fact):
    """Connecting, or a connection, failed; the next attempt is at `retry_at`. `lost` says how a live one ended."""

    reason: FailureReason
    message: str
    retry_at: float
    lost: DisconnectReason


@dataclass(frozen=True, slots=True)
class CredentialsRefused(_Fact):
    """The service refused the credentials; `retry_at` is None when only an operator can help."""

    reason: AuthReason
    message: str
    retry_at: float | None
    lost: DisconnectReason = DisconnectReason.TOKEN


@dataclass(frozen=True, slots=True)
class TokenRefused(_Fact):
    """The service refused a kept token; the bot goes on by its other credentials."""

    reason: AuthReason
    message: str


@dataclass(frozen=True, slots=True)
class LogonQueued(_Fact):
    """The bot waits for its turn to log on; `message` says what it waits for."""

    message: str


@dataclass(frozen=True, slots=True)
class LogonStarted(_Fact):
    """The bot's turn to log on has come."""


@dataclass(frozen=True, slots=True)
class GuardCodeRequested(_Fact):
    """The service wants a second proof of identity that only an operator can give.

    `kind` is `email_code`, `device_code`, `device_confirmation` or `email_confirmation`. `reason` tells a first request
    from one after a wrong code.
    """

    kind: str
    reason: AuthReason
    message: str


@dataclass(frozen=True, slots=True)
class GuardCodeSettled(_Fact):
    """The second proof was given, or is wanted no more."""


@dataclass(frozen=True, slots=True)
class BotCrashed(_Fact):
    """The bot's own code failed: a bug."""

    message: str
    retry_at: float
    lost: ClassVar[DisconnectReason] = DisconnectReason.OTHER


@dataclass(frozen=True, slots=True)
class Disconnected(_Fact):
    """The connection was ended on purpose by a restart, a reload or the end of the process."""

    lost: DisconnectReason


@dataclass(frozen=True, slots=True)
class TokenIssued(_Fact):
    """The service issued a token that is good until `expires_at`."""

    expires_at: float


@dataclass(frozen=True, slots=True)
class ActivitySeen(_Fact):
    """Something happened in a lobby or race of the bot (reported at most once in ten seconds)."""


@dataclass(frozen=True, slots=True)
class RaceCreated(_Fact):
    """The bot opened a race room of its own."""

    race: str


@dataclass(frozen=True, slots=True)
class RaceUpdated(_Fact):
    """The service described a race that the bot follows."""

    view: RaceView

    @property
    def race(self) -> str:
        return self.view.name


@dataclass(frozen=True, slots=True)
class RoomConnected(_Fact):
    """The bot's socket to a race room is open."""

    race: str


@dataclass(frozen=True, slots=True)
class RoomDisconnected(_Fact):
    """The bot's socket to a race room is closed."""

    race: str


@dataclass(frozen=True, slots=True)
class RaceForgotten(_Fact):
    """The bot no longer follows a race."""

    race: str


@dataclass(frozen=True, slots=True)
class LobbyCreated(_Fact):
    """A lobby that was ordered was confirmed, `took_s` seconds after it was asked for."""

    lobby_id: int
    took_s: float


@dataclass(frozen=True, slots=True)
class LobbyCreateFailed(_Fact):
    """A lobby that was ordered did not come about, or was not confirmed in time."""

    reason: CreateFailure
    message: str


@dataclass(frozen=True, slots=True)
class LobbyUpdated(_Fact):
    """A lobby of the bot was asked for, was described by the coordinator, or is out of the bot's sight."""

    lobby: LobbyRecord

    @property
    def key(self) -> str:
        return self.lobby.key


@dataclass(frozen=True, slots=True)
class LobbyForgotten(_Fact):
    """A finished or failed lobby is no longer shown."""

    key: str


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


@dataclass(frozen=True, slots=True)
class BotChange:
    """What one event did to one bot: `before` is None for a new one, `after` for one that is gone."""

    event: Event
    name: str
    before: BotRecord | None
    after: BotRecord | None
    kind: ClassVar[str] = "bot"


@dataclass(frozen=True, slots=True)
class RaceChange:
    """What one event did to one race."""

    event: RaceEvent
    name: str
    before: RaceRecord | None
    after: RaceRecord | None
    kind: ClassVar[str] = "race"


@dataclass(frozen=True, slots=True)
class LobbyChange:
    """What one event did to one lobby."""

    event: LobbyEvent
    name: str
    before: LobbyRecord | None
    after: LobbyRecord | None
    kind: ClassVar[str] = "lobby"


Change = BotChange | RaceChange | LobbyChange
