"""The Dota 2 platform: lobby bots on Steam."""

from exporter.platforms.base import Platform
from exporter.platforms.dota2.options import DOTA2, OPTIONS, parse
from exporter.platforms.dota2.service import open_service

PLATFORM = Platform(traits=DOTA2, options=OPTIONS, parse=parse, open_service=open_service)
