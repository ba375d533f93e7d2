"""The site's race form: every field, because the site resets what an edit leaves out (protocol notes, section 5)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from exporter.errors import OrderInvalid
from exporter.model.states import RaceState
from exporter.model.status import RaceView


@dataclass(frozen=True, slots=True)
class RaceForm:
    """A room's whole form; the defaults are the site's own. Exactly one of `goal` and `custom_goal` is given."""

    goal: str | None = None
    custom_goal: str | None = None
    invitational: bool = False
    unlisted: bool = False
    ranked: bool = True
    recordable: bool = True
    info_user: str = ""
    info_bot: str = ""
    start_delay: int = 15
    time_limit: int = 24
    time_limit_auto_complete: bool = False
    streaming_required: bool = True
    auto_start: bool = True
    allow_comments: bool = True
    hide_comments: bool = False
    allow_prerace_chat: bool = True
    allow_midrace_chat: bool = True
    allow_non_entrant_chat: bool = True
    chat_message_delay: int = 0
    team_race: bool = False
    require_even_teams: bool = False
    hide_entrants: bool = False
    partitionable: bool = False

    def changed(self, changes: Mapping[str, object]) -> "RaceForm":
        """Return the form with some fields changed; a goal of one kind takes the place of the other.

        Raises OrderInvalid for unknown fields, wrong types and fields that only a new room has.
        """
        checked = _checked(changes, _EDITABLE)
        if checked.get("goal") is not None:
            checked.setdefault("custom_goal", None)
        if checked.get("custom_goal") is not None:
            checked.setdefault("goal", None)
        return _with_one_goal(replace(self, **checked))

    def with_info(self, info: Mapping[str, object]) -> "RaceForm":
        """Return the form with the texts that the action `setinfo` has set; the site passes over empty ones."""
        user, bot = info.get("info_user") or self.info_user, info.get("info_bot") or self.info_bot
        return replace(self, info_user=str(user), info_bot=str(bot))

    def view(self, category: str, slug: str, base_url: str, opened_at: float) -> RaceView:
        """Return the race that this form opens, for as long as the site does not describe it."""
        return RaceView(
            category=category,
            slug=slug,
            state=RaceState.INVITATIONAL if self.invitational else RaceState.OPEN,
            goal_name=self.goal or self.custom_goal or "",
            goal_custom=bool(self.custom_goal),
            info="\n".join(filter(None, (self.info_user, self.info_bot))),
            url=f"{base_url}/{category}/{slug}",
            opened_by_bot=None,
            opened_at=opened_at,
            started_at=None,
            ended_at=None,
            entrants_count=0,
            entrants_count_finished=0,
            entrants_count_inactive=0,
            unlisted=self.unlisted,
        )

    def pairs(self, *, edit: bool = False) -> list[tuple[str, str]]:
        """Return every field as the site wants it in a form body; an edit has no fields of a new room.

        Booleans are words: the site takes "0" for true (section 5).
        """
        names = _EDITABLE if edit else _KINDS
        return [(name, _word(value)) for name in names if (value := getattr(self, name)) is not None]


_KINDS: dict[str, type] = {each.name: str if each.default is None else type(each.default) for each in fields(RaceForm)}
_ONLY_NEW = frozenset({"invitational", "team_race", "hide_entrants", "partitionable"})
_EDITABLE = {name: kind for name, kind in _KINDS.items() if name not in _ONLY_NEW}
_GOALS = ("goal", "custom_goal")


def new_form(values: Mapping[str, object]) -> RaceForm:
    """Return the form of a room to open; raises OrderInvalid with what is wrong with it."""
    return _with_one_goal(RaceForm(**_checked(values, _KINDS)))


def whole_form(values: Mapping[str, object]) -> RaceForm:
    """Return the form to edit a room that we know nothing of: every field is needed, else OrderInvalid names them."""
    checked = _checked(values, _EDITABLE)
    missing = [name for name in _EDITABLE if name not in checked and name not in _GOALS]
    if not any(checked.get(name) for name in _GOALS):
        missing.insert(0, "goal or custom_goal")
    if missing:
        errors = [f"{name}: is missing" for name in missing]
        raise OrderInvalid(
            "this bot did not open the room, and the site resets every field that an edit leaves out: "
            f"give {', '.join(missing)} too",
            errors,
        )
    return _with_one_goal(RaceForm(**checked))


def _checked(values: Mapping[str, object], kinds: Mapping[str, type]) -> dict[str, Any]:
    words = {str: "a string", bool: "true or false", int: "a whole number"}
    errors = []
    for name, value in values.items():
        if name in _ONLY_NEW and name not in kinds:
            errors.append(f"{name}: can only be chosen when the room is opened")
        elif name not in kinds:
            errors.append(f"{name}: unknown field")
        elif type(value) is not kinds[name] and not (name in _GOALS and value is None):
            errors.append(f"{name}: must be {words[kinds[name]]}")
    if errors:
        raise OrderInvalid("; ".join(errors), errors)
    return dict(values)


def _with_one_goal(form: RaceForm) -> RaceForm:
    if bool(form.goal) == bool(form.custom_goal):
        raise OrderInvalid("give exactly one of goal and custom_goal", ["goal: give exactly one goal"])
    return form


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
