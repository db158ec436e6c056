"""The door as a whole, as an application that the hub's HTTP server mounts."""

from __future__ import annotations

from farhand.fronts.devaria.admin import Admin
from farhand.fronts.devaria.app import BODY_LIMIT, PREFIX, Front
from farhand.fronts.devaria.jobs import Jobs
from farhand.fronts.devaria.options import DevariaOptions
from farhand.fronts.devaria.running import Running
from farhand.fronts.devaria.submitting import Submitting
from farhand.hub.durable import Durables


class DevariaDoor:
    """The door of one hub. `app` is its ASGI application, for all below `path`."""

    path = PREFIX
    body_limit = BODY_LIMIT

    def __init__(self, durables: Durables, options: DevariaOptions) -> None:
        self._jobs = Jobs(durables, options)
        routes = [*Submitting(self._jobs).routes(), *Running(self._jobs).routes(), *Admin(self._jobs).routes()]
        self.app = Front(options, routes, durables.runners.heard)

    async def stop(self) -> None:
        """Ask for no page any more."""
        await self._jobs.pages.close()
