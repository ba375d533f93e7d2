"""POST /-/reload: read the configuration again, as SIGHUP does, and hear what came of it."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict

from aiohttp import web

from exporter.errors import ConfigError
from exporter.reload import Reloaded, Stopping
from exporter.web.answers import HttpProblem, json_answer

Reload = Callable[[str], Awaitable[Reloaded]]
"""Carries out a reload; its argument says who asks. Raises ConfigError and Stopping."""


class ReloadPage:
    """The handler; a client that leaves does not stop the reload."""

    def __init__(self, reload: Reload) -> None:
        self._reload = reload

    async def reload(self, _: web.Request) -> web.Response:
        """Read the configuration again and answer once it is used; one that is wrong changes nothing."""
        try:
            done = await self._reload("POST /-/reload")
        except ConfigError as error:
            raise _wrong(error) from None
        except Stopping as error:
            raise HttpProblem(503, str(error)) from None
        steps = done.plan
        return json_answer(
            {
                "added": [spec.name for spec in steps.added],
                "removed": list(steps.removed),
                "changed": [spec.name for spec in (*steps.replaced, *steps.changed, *steps.switched)],
                "unchanged": len(steps.unchanged),
                "needs_restart": list(done.needs_restart),
            }
        )


def _wrong(error: ConfigError) -> HttpProblem:
    count = len(error.problems)
    detail = (
        f"the configuration has {count} {'mistake' if count == 1 else 'mistakes'} and was not reloaded, the old one "
        f"stays in use: correct what errors lists; the first is {error.problems[0]}"
    )
    return HttpProblem(422, detail, members={"errors": [asdict(problem) for problem in error.problems]})
