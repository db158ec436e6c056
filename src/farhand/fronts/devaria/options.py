"""What a hub is told of its Devaria door."""

from __future__ import annotations

import msgspec


class DevariaOptions(msgspec.Struct, frozen=True, kw_only=True):
    """An empty key lets nobody in on its level; without any the door isn't there.

    `group` is that of the jobs: whoever has the submit key may have any handler run that is served there, and no other.
    `lease` is how many seconds a claim lasts without a heartbeat. The rates are requests a minute, 0 for no bound:
    checks and submits of an address, status requests of an address, requests of a runner. `page_hosts` are hosts of
    figpack pages that may be asked although their addresses are not public.
    """

    submit_key: str = ""
    runner_key: str = ""
    admin_key: str = ""
    group: str = "devaria"
    lease: float = 90.0
    submit_rate: int = 10
    status_rate: int = 60
    runner_rate: int = 120
    page_hosts: tuple[str, ...] = ()

    @property
    def on(self) -> bool:
        """Whether somebody can come in."""
        return bool(self.submit_key or self.runner_key or self.admin_key)
