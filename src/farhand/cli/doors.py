"""How a hub serves other systems, by the settings."""

from __future__ import annotations

from farhand import config
from farhand.assembly import AgntOptions, DevariaOptions, Doors


def doors(nextflow_policy: str | None = None) -> Doors:
    """All of them; `nextflow_policy` is the flag.

    Raises:
        BadSetting: one of the settings makes no sense.
    """
    hosts = config.resolve(config.DEVARIA_PAGE_HOSTS).value or ""
    devaria = DevariaOptions(
        submit_key=config.resolve(config.DEVARIA_SUBMIT_KEY).value or "",
        runner_key=config.resolve(config.DEVARIA_RUNNER_KEY).value or "",
        admin_key=config.resolve(config.DEVARIA_ADMIN_KEY).value or "",
        group=config.resolve(config.DEVARIA_GROUP).value,
        lease=config.resolve(config.DEVARIA_LEASE).value,
        submit_rate=config.resolve(config.DEVARIA_SUBMIT_RATE).value,
        status_rate=config.resolve(config.DEVARIA_STATUS_RATE).value,
        runner_rate=config.resolve(config.DEVARIA_RUNNER_RATE).value,
        page_hosts=tuple(one.strip() for one in hosts.split(",") if one.strip()),
    )
    agnt = AgntOptions(
        timeout=config.resolve(config.AGNT_TIMEOUT).value or config.AGNT_TIMEOUT.default,
        slots=config.resolve(config.AGNT_SLOTS).value,
        result=config.resolve(config.AGNT_RESULT).value,
    )
    policy = config.resolve(config.NEXTFLOW_POLICY, nextflow_policy).value
    return Doors(nextflow_policy=policy, devaria=devaria, agnt=agnt)
