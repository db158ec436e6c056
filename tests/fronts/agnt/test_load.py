"""Load never drifts: agents, callers and the real hub, in any order of joins, losses, cancels and late answers."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from farhand.fronts.agnt.agent import Agent
from farhand.hub.calling import Asked, Call
from farhand.hub.service import Hub
from farhand.wire.agnt._pb import agnt_pb2
from farhand.wire.agnt.messages import read_command

STEPS = 40
VERBS = (
    "join",
    "join",
    "rejoin",
    "lose",
    "ask",
    "ask",
    "ask",
    "ask",
    "cancel",
    "answer",
    "answer",
    "answer",
    "late",
    "fail",
)


class Line:
    """In place of a connection: what is written to an agent."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def write(self, data: bytes) -> None:
        self.sent.append(agnt_pb2.ServerMessage.FromString(data).request_id)


class Field:
    """A hub, its agents and its callers. `open` are the requests of an agent that somebody still waits for."""

    def __init__(self, slots: int) -> None:
        self.hub = Hub()
        self.slots = slots
        self.agents: list[tuple[Agent, Line, asyncio.Task[None], str]] = []
        self.calls: list[tuple[Call, asyncio.Task[Any]]] = []
        self.old: list[str] = []
        self.ids = 0

    def join(self, worker: str) -> None:
        self.forget(worker)
        agent, line = Agent(self.hub, self.slots), Line()
        agent.join(agnt_pb2.AgentMessage(agent_id="db", worker_id=worker).SerializeToString(), "")
        context: Any = line
        self.agents.append((agent, line, asyncio.ensure_future(agent.write(context)), worker))

    def forget(self, worker: str) -> None:
        """The connection before is replaced."""
        for one in [one for one in self.agents if one[3] == worker]:
            self.agents.remove(one)
            self.old += one[1].sent
            one[2].cancel()

    def lose(self, which: int) -> None:
        agent, line, writer, _ = self.agents.pop(which % len(self.agents))
        self.old += line.sent
        writer.cancel()
        agent.leave()

    def ask(self) -> None:
        order = read_command(agnt_pb2.CommandRequest(agent_id="db", query="q").SerializeToString())
        call = Call(self.hub, Asked("sql.query", order.command, None, "db"), events=False)
        self.calls.append((call, asyncio.ensure_future(call.next())))

    def answer(self, which: int, *, failed: bool = False) -> None:
        busy = [one for one in self.agents if one[1].sent]
        if busy:
            agent, line, *_ = busy[which % len(busy)]
            self.say(agent, request := line.sent.pop(which % len(line.sent)), failed=failed)
            self.old.append(request)

    def say(self, agent: Agent, request: str, *, failed: bool = False) -> None:
        result = agnt_pb2.QueryResult(json="null" if failed else "[]", request_id=request)
        agent.hear(agnt_pb2.AgentMessage(query_result=result, message="no" if failed else "").SerializeToString())

    def late(self, which: int) -> None:
        if self.old and self.agents:
            self.say(self.agents[which % len(self.agents)][0], self.old[which % len(self.old)])

    def cancel(self, which: int) -> None:
        if self.calls:
            call, task = self.calls.pop(which % len(self.calls))
            task.cancel()
            call.leave()

    async def settle(self) -> None:
        """Let what was put off happen."""
        for _ in range(6):
            await asyncio.sleep(0)
        for call, task in list(self.calls):
            if task.done():
                task.exception()
                self.calls.remove((call, task))

    def check(self) -> None:
        """What the hub thinks is what is."""
        waiting = sum(view.waiting for view in self.hub.groups())
        assert self.hub.running + waiting == len(self.calls)
        assert self.hub.running == min(len(self.calls), len(self.agents) * self.slots)
        running = {view.info.id: view.running for view in self.hub.workers()}
        assert len(running) == len(self.agents)
        assert all(0 <= count <= self.slots for count in running.values())
        assert sum(running.values()) == self.hub.running


async def play(slots: int, steps: list[tuple[str, int]]) -> None:
    field = Field(slots)
    for verb, which in steps:
        if verb == "join":
            field.ids += 1
            field.join(str(field.ids))
        elif verb == "rejoin" and field.agents:
            field.join(field.agents[which % len(field.agents)][3])
        elif verb == "lose" and field.agents:
            field.lose(which)
        elif verb == "ask":
            field.ask()
        elif verb == "answer":
            field.answer(which)
        elif verb == "fail":
            field.answer(which, failed=True)
        elif verb in ("late", "cancel"):
            getattr(field, verb)(which)
        await field.settle()
        field.check()
    while field.calls:
        field.cancel(0)
        await field.settle()
        field.check()
    while field.agents:
        field.lose(0)
    assert field.hub.running == 0
    assert not field.hub.workers()
    field.hub.stop()


@settings(max_examples=400, deadline=None)
@given(st.integers(1, 3), st.lists(st.tuples(st.sampled_from(VERBS), st.integers(0, 50)), max_size=STEPS))
def test_load_never_drifts(slots: int, steps: list[tuple[str, int]]) -> None:
    asyncio.run(play(slots, steps))
