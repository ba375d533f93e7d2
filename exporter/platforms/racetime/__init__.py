"""The racetime.gg platform: category bots that follow race rooms.

text in   client -> messages -> rooms -> views -> facts
text out  orders on the bot -> actions, form -> rooms (fence) or client
always    bot: token, polls; following: which rooms; chat: what was read already
"""

from exporter.platforms.base import Platform
from exporter.platforms.racetime.options import OPTIONS, RACETIME, parse
from exporter.platforms.racetime.service import open_service

PLATFORM = Platform(traits=RACETIME, options=OPTIONS, parse=parse, open_service=open_service)
