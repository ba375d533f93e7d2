"""Keys of the configuration that say what they are for: the reference is made of what stands beside each field."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class Section(BaseModel):
    """A mapping of the configuration: strict, and it does not change once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def setting(
    default: Any,
    meaning: str,
    *,
    example: Any = None,
    values: str = "",
    absent: str = "",
    secret: bool = False,
    name: str | None = None,
    strict: bool | None = None,
) -> Any:
    """Return the field of a key: `...` for a default that there is not.

    `meaning`, `values` (the form of a value) and `absent` (what an absent key stands for) are Markdown of one line;
    without the last two the reference says what the type and the default say by themselves. `example` is a value as
    YAML would have it, in a file where everything is given; None for a key that excludes another. `secret` marks values
    that nobody may see. `name` is the key's own where the field has another; `strict=False` lets a tuple take lists.
    """
    told: dict[str, JsonValue] = {"values": values, "absent": absent, "secret": secret}
    return Field(
        default,
        description=meaning,
        examples=[example],
        json_schema_extra=told,
        validation_alias=name,
        strict=strict,
    )
