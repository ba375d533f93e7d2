"""The platforms that bots can run on: one folder each, one row each."""

from collections.abc import Mapping

from exporter.platforms import dota2, racetime
from exporter.platforms.base import Platform

PLATFORMS: Mapping[str, Platform] = {"dota2": dota2.PLATFORM, "racetime": racetime.PLATFORM}
