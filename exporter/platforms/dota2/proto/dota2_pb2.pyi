from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CMsgClientHello(_message.Message):
    __slots__ = ("version", "client_session_need", "engine")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CLIENT_SESSION_NEED_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    version: int
    client_session_need: int
    engine: int
    def __init__(self, version: _Optional[int] = ..., client_session_need: _Optional[int] = ..., engine: _Optional[int] = ...) -> None: ...

class CMsgClientWelcome(_message.Message):
    __slots__ = ("version", "outofdate_subscribed_caches")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    OUTOFDATE_SUBSCRIBED_CACHES_FIELD_NUMBER: _ClassVar[int]
    version: int
    outofdate_subscribed_caches: _containers.RepeatedCompositeFieldContainer[CMsgSOCacheSubscribed]
    def __init__(self, version: _Optional[int] = ..., outofdate_subscribed_caches: _Optional[_Iterable[_Union[CMsgSOCacheSubscribed, _Mapping]]] = ...) -> None: ...

class CMsgConnectionStatus(_message.Message):
    __slots__ = ("status", "queue_position", "queue_size", "wait_seconds", "estimated_wait_seconds_remaining")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    QUEUE_SIZE_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_WAIT_SECONDS_REMAINING_FIELD_NUMBER: _ClassVar[int]
    status: int
    queue_position: int
    queue_size: int
    wait_seconds: int
    estimated_wait_seconds_remaining: int
    def __init__(self, status: _Optional[int] = ..., queue_position: _Optional[int] = ..., queue_size: _Optional[int] = ..., wait_seconds: _Optional[int] = ..., estimated_wait_seconds_remaining: _Optional[int] = ...) -> None: ...

class CMsgGCClientPing(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CMsgSOIDOwner(_message.Message):
    __slots__ = ("type", "id")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    type: int
    id: int
    def __init__(self, type: _Optional[int] = ..., id: _Optional[int] = ...) -> None: ...

class CMsgSOSingleObject(_message.Message):
    __slots__ = ("type_id", "object_data", "version", "owner_soid")
    TYPE_ID_FIELD_NUMBER: _ClassVar[int]
    OBJECT_DATA_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    OWNER_SOID_FIELD_NUMBER: _ClassVar[int]
    type_id: int
    object_data: bytes
    version: int
    owner_soid: CMsgSOIDOwner
    def __init__(self, type_id: _Optional[int] = ..., object_data: _Optional[bytes] = ..., version: _Optional[int] = ..., owner_soid: _Optional[_Union[CMsgSOIDOwner, _Mapping]] = ...) -> None: ...

class CMsgSOMultipleObjects(_message.Message):
    __slots__ = ("objects_modified", "version", "objects_added", "objects_removed", "owner_soid")
    class SingleObject(_message.Message):
        __slots__ = ("type_id", "object_data")
        TYPE_ID_FIELD_NUMBER: _ClassVar[int]
        OBJECT_DATA_FIELD_NUMBER: _ClassVar[int]
        type_id: int
        object_data: bytes
        def __init__(self, type_id: _Optional[int] = ..., object_data: _Optional[bytes] = ...) -> None: ...
    OBJECTS_MODIFIED_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    OBJECTS_ADDED_FIELD_NUMBER: _ClassVar[int]
    OBJECTS_REMOVED_FIELD_NUMBER: _ClassVar[int]
    OWNER_SOID_FIELD_NUMBER: _ClassVar[int]
    objects_modified: _containers.RepeatedCompositeFieldContainer[CMsgSOMultipleObjects.SingleObject]
    version: int
    objects_added: _containers.RepeatedCompositeFieldContainer[CMsgSOMultipleObjects.SingleObject]
    objects_removed: _containers.RepeatedCompositeFieldContainer[CMsgSOMultipleObjects.SingleObject]
    owner_soid: CMsgSOIDOwner
    def __init__(self, objects_modified: _Optional[_Iterable[_Union[CMsgSOMultipleObjects.SingleObject, _Mapping]]] = ..., version: _Optional[int] = ..., objects_added: _Optional[_Iterable[_Union[CMsgSOMultipleObjects.SingleObject, _Mapping]]] = ..., objects_removed: _Optional[_Iterable[_Union[CMsgSOMultipleObjects.SingleObject, _Mapping]]] = ..., owner_soid: _Optional[_Union[CMsgSOIDOwner, _Mapping]] = ...) -> None: ...

class CMsgSOCacheSubscribed(_message.Message):
    __slots__ = ("objects", "version", "owner_soid")
    class SubscribedType(_message.Message):
        __slots__ = ("type_id", "object_data")
        TYPE_ID_FIELD_NUMBER: _ClassVar[int]
        OBJECT_DATA_FIELD_NUMBER: _ClassVar[int]
        type_id: int
        object_data: _containers.RepeatedScalarFieldContainer[bytes]
        def __init__(self, type_id: _Optional[int] = ..., object_data: _Optional[_Iterable[bytes]] = ...) -> None: ...
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    OWNER_SOID_FIELD_NUMBER: _ClassVar[int]
    objects: _containers.RepeatedCompositeFieldContainer[CMsgSOCacheSubscribed.SubscribedType]
    version: int
    owner_soid: CMsgSOIDOwner
    def __init__(self, objects: _Optional[_Iterable[_Union[CMsgSOCacheSubscribed.SubscribedType, _Mapping]]] = ..., version: _Optional[int] = ..., owner_soid: _Optional[_Union[CMsgSOIDOwner, _Mapping]] = ...) -> None: ...

class CMsgSOCacheSubscribedUpToDate(_message.Message):
    __slots__ = ("version", "owner_soid")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    OWNER_SOID_FIELD_NUMBER: _ClassVar[int]
    version: int
    owner_soid: CMsgSOIDOwner
    def __init__(self, version: _Optional[int] = ..., owner_soid: _Optional[_Union[CMsgSOIDOwner, _Mapping]] = ...) -> None: ...

class CMsgSOCacheUnsubscribed(_message.Message):
    __slots__ = ("owner_soid",)
    OWNER_SOID_FIELD_NUMBER: _ClassVar[int]
    owner_soid: CMsgSOIDOwner
    def __init__(self, owner_soid: _Optional[_Union[CMsgSOIDOwner, _Mapping]] = ...) -> None: ...

class CMsgSOCacheSubscriptionCheck(_message.Message):
    __slots__ = ("version", "owner_soid")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    OWNER_SOID_FIELD_NUMBER: _ClassVar[int]
    version: int
    owner_soid: CMsgSOIDOwner
    def __init__(self, version: _Optional[int] = ..., owner_soid: _Optional[_Union[CMsgSOIDOwner, _Mapping]] = ...) -> None: ...

class CMsgSOCacheSubscriptionRefresh(_message.Message):
    __slots__ = ("owner_soid",)
    OWNER_SOID_FIELD_NUMBER: _ClassVar[int]
    owner_soid: CMsgSOIDOwner
    def __init__(self, owner_soid: _Optional[_Union[CMsgSOIDOwner, _Mapping]] = ...) -> None: ...

class CSODOTALobbyMember(_message.Message):
    __slots__ = ("id", "hero_id", "team", "slot", "leaver_status", "coach_team")
    ID_FIELD_NUMBER: _ClassVar[int]
    HERO_ID_FIELD_NUMBER: _ClassVar[int]
    TEAM_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    LEAVER_STATUS_FIELD_NUMBER: _ClassVar[int]
    COACH_TEAM_FIELD_NUMBER: _ClassVar[int]
    id: int
    hero_id: int
    team: int
    slot: int
    leaver_status: int
    coach_team: int
    def __init__(self, id: _Optional[int] = ..., hero_id: _Optional[int] = ..., team: _Optional[int] = ..., slot: _Optional[int] = ..., leaver_status: _Optional[int] = ..., coach_team: _Optional[int] = ...) -> None: ...

class CSODOTALobby(_message.Message):
    __slots__ = ("lobby_id", "game_mode", "state", "connect", "server_id", "leader_id", "lobby_type", "allow_cheats", "game_name", "server_region", "game_state", "match_id", "allow_spectating", "pass_key", "leagueid", "series_type", "dota_tv_delay", "match_outcome", "visibility", "game_start_time", "pause_setting", "selection_priority_rules", "match_duration", "all_members", "member_indices", "left_member_indices", "free_member_indices", "lobby_creation_time")
    LOBBY_ID_FIELD_NUMBER: _ClassVar[int]
    GAME_MODE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CONNECT_FIELD_NUMBER: _ClassVar[int]
    SERVER_ID_FIELD_NUMBER: _ClassVar[int]
    LEADER_ID_FIELD_NUMBER: _ClassVar[int]
    LOBBY_TYPE_FIELD_NUMBER: _ClassVar[int]
    ALLOW_CHEATS_FIELD_NUMBER: _ClassVar[int]
    GAME_NAME_FIELD_NUMBER: _ClassVar[int]
    SERVER_REGION_FIELD_NUMBER: _ClassVar[int]
    GAME_STATE_FIELD_NUMBER: _ClassVar[int]
    MATCH_ID_FIELD_NUMBER: _ClassVar[int]
    ALLOW_SPECTATING_FIELD_NUMBER: _ClassVar[int]
    PASS_KEY_FIELD_NUMBER: _ClassVar[int]
    LEAGUEID_FIELD_NUMBER: _ClassVar[int]
    SERIES_TYPE_FIELD_NUMBER: _ClassVar[int]
    DOTA_TV_DELAY_FIELD_NUMBER: _ClassVar[int]
    MATCH_OUTCOME_FIELD_NUMBER: _ClassVar[int]
    VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    GAME_START_TIME_FIELD_NUMBER: _ClassVar[int]
    PAUSE_SETTING_FIELD_NUMBER: _ClassVar[int]
    SELECTION_PRIORITY_RULES_FIELD_NUMBER: _ClassVar[int]
    MATCH_DURATION_FIELD_NUMBER: _ClassVar[int]
    ALL_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    MEMBER_INDICES_FIELD_NUMBER: _ClassVar[int]
    LEFT_MEMBER_INDICES_FIELD_NUMBER: _ClassVar[int]
    FREE_MEMBER_INDICES_FIELD_NUMBER: _ClassVar[int]
    LOBBY_CREATION_TIME_FIELD_NUMBER: _ClassVar[int]
    lobby_id: int
    game_mode: int
    state: int
    connect: str
    server_id: int
    leader_id: int
    lobby_type: int
    allow_cheats: bool
    game_name: str
    server_region: int
    game_state: int
    match_id: int
    allow_spectating: bool
    pass_key: str
    leagueid: int
    series_type: int
    dota_tv_delay: int
    match_outcome: int
    visibility: int
    game_start_time: int
    pause_setting: int
    selection_priority_rules: int
    match_duration: int
    all_members: _containers.RepeatedCompositeFieldContainer[CSODOTALobbyMember]
    member_indices: _containers.RepeatedScalarFieldContainer[int]
    left_member_indices: _containers.RepeatedScalarFieldContainer[int]
    free_member_indices: _containers.RepeatedScalarFieldContainer[int]
    lobby_creation_time: int
    def __init__(self, lobby_id: _Optional[int] = ..., game_mode: _Optional[int] = ..., state: _Optional[int] = ..., connect: _Optional[str] = ..., server_id: _Optional[int] = ..., leader_id: _Optional[int] = ..., lobby_type: _Optional[int] = ..., allow_cheats: _Optional[bool] = ..., game_name: _Optional[str] = ..., server_region: _Optional[int] = ..., game_state: _Optional[int] = ..., match_id: _Optional[int] = ..., allow_spectating: _Optional[bool] = ..., pass_key: _Optional[str] = ..., leagueid: _Optional[int] = ..., series_type: _Optional[int] = ..., dota_tv_delay: _Optional[int] = ..., match_outcome: _Optional[int] = ..., visibility: _Optional[int] = ..., game_start_time: _Optional[int] = ..., pause_setting: _Optional[int] = ..., selection_priority_rules: _Optional[int] = ..., match_duration: _Optional[int] = ..., all_members: _Optional[_Iterable[_Union[CSODOTALobbyMember, _Mapping]]] = ..., member_indices: _Optional[_Iterable[int]] = ..., left_member_indices: _Optional[_Iterable[int]] = ..., free_member_indices: _Optional[_Iterable[int]] = ..., lobby_creation_time: _Optional[int] = ...) -> None: ...

class CSODOTAStaticLobbyMember(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class CSODOTAStaticLobby(_message.Message):
    __slots__ = ("all_members",)
    ALL_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    all_members: _containers.RepeatedCompositeFieldContainer[CSODOTAStaticLobbyMember]
    def __init__(self, all_members: _Optional[_Iterable[_Union[CSODOTAStaticLobbyMember, _Mapping]]] = ...) -> None: ...

class CSODOTALobbyInvite(_message.Message):
    __slots__ = ("group_id", "sender_id", "sender_name", "members")
    class LobbyMember(_message.Message):
        __slots__ = ("name", "steam_id")
        NAME_FIELD_NUMBER: _ClassVar[int]
        STEAM_ID_FIELD_NUMBER: _ClassVar[int]
        name: str
        steam_id: int
        def __init__(self, name: _Optional[str] = ..., steam_id: _Optional[int] = ...) -> None: ...
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_NAME_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    group_id: int
    sender_id: int
    sender_name: str
    members: _containers.RepeatedCompositeFieldContainer[CSODOTALobbyInvite.LobbyMember]
    def __init__(self, group_id: _Optional[int] = ..., sender_id: _Optional[int] = ..., sender_name: _Optional[str] = ..., members: _Optional[_Iterable[_Union[CSODOTALobbyInvite.LobbyMember, _Mapping]]] = ...) -> None: ...

class CMsgPracticeLobbySetDetails(_message.Message):
    __slots__ = ("lobby_id", "game_name", "server_region", "game_mode", "allow_cheats", "fill_with_bots", "allow_spectating", "pass_key", "leagueid", "series_type", "allchat", "dota_tv_delay", "lan", "visibility", "pause_setting", "selection_priority_rules")
    LOBBY_ID_FIELD_NUMBER: _ClassVar[int]
    GAME_NAME_FIELD_NUMBER: _ClassVar[int]
    SERVER_REGION_FIELD_NUMBER: _ClassVar[int]
    GAME_MODE_FIELD_NUMBER: _ClassVar[int]
    ALLOW_CHEATS_FIELD_NUMBER: _ClassVar[int]
    FILL_WITH_BOTS_FIELD_NUMBER: _ClassVar[int]
    ALLOW_SPECTATING_FIELD_NUMBER: _ClassVar[int]
    PASS_KEY_FIELD_NUMBER: _ClassVar[int]
    LEAGUEID_FIELD_NUMBER: _ClassVar[int]
    SERIES_TYPE_FIELD_NUMBER: _ClassVar[int]
    ALLCHAT_FIELD_NUMBER: _ClassVar[int]
    DOTA_TV_DELAY_FIELD_NUMBER: _ClassVar[int]
    LAN_FIELD_NUMBER: _ClassVar[int]
    VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    PAUSE_SETTING_FIELD_NUMBER: _ClassVar[int]
    SELECTION_PRIORITY_RULES_FIELD_NUMBER: _ClassVar[int]
    lobby_id: int
    game_name: str
    server_region: int
    game_mode: int
    allow_cheats: bool
    fill_with_bots: bool
    allow_spectating: bool
    pass_key: str
    leagueid: int
    series_type: int
    allchat: bool
    dota_tv_delay: int
    lan: bool
    visibility: int
    pause_setting: int
    selection_priority_rules: int
    def __init__(self, lobby_id: _Optional[int] = ..., game_name: _Optional[str] = ..., server_region: _Optional[int] = ..., game_mode: _Optional[int] = ..., allow_cheats: _Optional[bool] = ..., fill_with_bots: _Optional[bool] = ..., allow_spectating: _Optional[bool] = ..., pass_key: _Optional[str] = ..., leagueid: _Optional[int] = ..., series_type: _Optional[int] = ..., allchat: _Optional[bool] = ..., dota_tv_delay: _Optional[int] = ..., lan: _Optional[bool] = ..., visibility: _Optional[int] = ..., pause_setting: _Optional[int] = ..., selection_priority_rules: _Optional[int] = ...) -> None: ...

class CMsgPracticeLobbyCreate(_message.Message):
    __slots__ = ("search_key", "pass_key", "client_version", "lobby_details")
    SEARCH_KEY_FIELD_NUMBER: _ClassVar[int]
    PASS_KEY_FIELD_NUMBER: _ClassVar[int]
    CLIENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    LOBBY_DETAILS_FIELD_NUMBER: _ClassVar[int]
    search_key: str
    pass_key: str
    client_version: int
    lobby_details: CMsgPracticeLobbySetDetails
    def __init__(self, search_key: _Optional[str] = ..., pass_key: _Optional[str] = ..., client_version: _Optional[int] = ..., lobby_details: _Optional[_Union[CMsgPracticeLobbySetDetails, _Mapping]] = ...) -> None: ...

class CMsgPracticeLobbyJoin(_message.Message):
    __slots__ = ("lobby_id", "client_version", "pass_key")
    LOBBY_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    PASS_KEY_FIELD_NUMBER: _ClassVar[int]
    lobby_id: int
    client_version: int
    pass_key: str
    def __init__(self, lobby_id: _Optional[int] = ..., client_version: _Optional[int] = ..., pass_key: _Optional[str] = ...) -> None: ...

class CMsgPracticeLobbyJoinResponse(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: int
    def __init__(self, result: _Optional[int] = ...) -> None: ...

class CMsgPracticeLobbyLeave(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CMsgPracticeLobbyLaunch(_message.Message):
    __slots__ = ("client_version",)
    CLIENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    client_version: int
    def __init__(self, client_version: _Optional[int] = ...) -> None: ...

class CMsgPracticeLobbySetTeamSlot(_message.Message):
    __slots__ = ("team", "slot")
    TEAM_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    team: int
    slot: int
    def __init__(self, team: _Optional[int] = ..., slot: _Optional[int] = ...) -> None: ...

class CMsgPracticeLobbyKick(_message.Message):
    __slots__ = ("account_id",)
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: int
    def __init__(self, account_id: _Optional[int] = ...) -> None: ...

class CMsgPracticeLobbyKickFromTeam(_message.Message):
    __slots__ = ("account_id",)
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: int
    def __init__(self, account_id: _Optional[int] = ...) -> None: ...

class CMsgBalancedShuffleLobby(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CMsgFlipLobbyTeams(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CMsgAbandonCurrentGame(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CMsgDestroyLobbyRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CMsgDestroyLobbyResponse(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: int
    def __init__(self, result: _Optional[int] = ...) -> None: ...

class CMsgInviteToLobby(_message.Message):
    __slots__ = ("steam_id", "client_version")
    STEAM_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    steam_id: int
    client_version: int
    def __init__(self, steam_id: _Optional[int] = ..., client_version: _Optional[int] = ...) -> None: ...

class CMsgInvitationCreated(_message.Message):
    __slots__ = ("group_id", "steam_id", "user_offline")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    STEAM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_OFFLINE_FIELD_NUMBER: _ClassVar[int]
    group_id: int
    steam_id: int
    user_offline: bool
    def __init__(self, group_id: _Optional[int] = ..., steam_id: _Optional[int] = ..., user_offline: _Optional[bool] = ...) -> None: ...

class CMsgLobbyInviteResponse(_message.Message):
    __slots__ = ("lobby_id", "accept", "client_version")
    LOBBY_ID_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    lobby_id: int
    accept: bool
    client_version: int
    def __init__(self, lobby_id: _Optional[int] = ..., accept: _Optional[bool] = ..., client_version: _Optional[int] = ...) -> None: ...
