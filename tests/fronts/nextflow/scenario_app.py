"""The scenarios of the front conformance suite as policies: the arguments are JSON in the task's name."""

from __future__ import annotations

import json
from typing import Any

import farhand
from farhand.testing.conformance import fronts

app = farhand.App()


def given(observation: dict[str, Any]) -> dict[str, Any]:
    """The scenario's arguments."""
    args: dict[str, Any] = json.loads(observation["task_name"])
    return args


@app.handler
def add(observation: dict[str, Any]) -> str:
    return json.dumps(fronts.add(**given(observation)))


@app.handler
def wrong(observation: dict[str, Any]) -> None:
    fronts.wrong(**given(observation))


@app.handler
async def wait(observation: dict[str, Any]) -> None:
    await fronts.wait(**given(observation))


@app.handler
def lost(observation: dict[str, Any]) -> str:
    return fronts.lost(**given(observation))


@app.handler
def count(observation: dict[str, Any]) -> Any:
    yield "one"


@app.handler
def echo(observation: dict[str, Any]) -> dict[str, Any]:
    """Say what was asked, as JSON."""
    return {"action_details": json.dumps(observation)}


@app.handler
def number(observation: dict[str, Any]) -> int:
    """What is no action."""
    return 7


@app.handler
async def policy(observation: dict[str, Any]) -> Any:
    """The scenario that the process is named for: a hub has one policy for all."""
    name = observation["process_name"]
    if name == "wait":
        return await wait(observation)
    return {"add": add, "wrong": wrong, "lost": lost, "echo": echo, "number": number}[name](observation)
