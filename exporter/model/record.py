"""What records, facts and changes are made of: immutable values that are made, copied and compared in C.

They are msgspec's structs. Copying a bot's record with three other fields takes half a microsecond; as a frozen
dataclass it took twenty-five, and that is what most facts do ([ADR 0009](../../docs/adr/0009-records-are-structs.md)).
"""

from msgspec import Struct
from msgspec.structs import astuple as astuple  # noqa: PLC0414  (the one door to it)
from msgspec.structs import replace as replace  # noqa: PLC0414


class Record(Struct, frozen=True, gc=False):
    """A value. It may hold values only, never something that could hold it: the garbage collector does not look."""
