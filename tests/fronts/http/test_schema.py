"""What the OpenAPI document says is what the hub does: thousands of requests made from it, and none breaks the hub."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode, checks

from farhand.wire.http.bodies import NewJob
from tests.cli.processes import ready_http, serving, started

CASES, ROUND = 5_000, 120
PLAIN = {f"GET {path}" for path in ("/v1/schedules", "/health/live", "/health/ready", "/metrics")}
"""Operations that nothing can be wrong about."""
PATHS = {
    "/v1/run/{handler}",
    "/v1/jobs",
    *(f"/v1/jobs/{{job}}{verb}" for verb in ("", "/events", "/result", "/ref", "/cancel", "/retry")),
    "/v1/refs/{ref}",
    *("/v1/workers", "/v1/handlers", "/v1/schedules", "/health/live", "/health/ready", "/metrics"),
}
LEAST_TIMEOUT, LEAST_LASTING, MOST_WAIT = 5.0, 3600.0, 0.05
"""Seconds. A deadline that passes is rightly a 504, so none may be short; and nobody waits for what won't end."""
APP = """
from collections.abc import Iterator
from typing import Any
import farhand

app = farhand.App()


@app.handler
async def add(a: float, b: float) -> float:
    return a + b


@app.handler
async def echo(value: Any = None) -> Any:
    return value


@app.handler
async def count(n: int = 3) -> Any:
    for number in range(min(n, 10)):
        yield number
"""
CHECKS: list[Any] = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
HANDLERS = ("add", "echo", "count")


def tamed(case: Any, jobs: list[str], turn: int) -> None:
    """Half of the time something that is there is asked for; and nothing that takes long."""
    query, path = case.query or {}, case.path_parameters or {}
    if "handler" in path and turn % 2:
        path["handler"] = HANDLERS[turn % len(HANDLERS)]
    if "job" in path:
        there = jobs if turn % 2 else ["nosuch"]
        path["job"] = there[turn % len(there)]
    if "group" in query and case.operation.label.startswith("POST"):
        query["group"] = "default"
    query.pop("label", None)
    if isinstance(query.get("timeout"), int | float):
        query["timeout"] = max(query["timeout"], LEAST_TIMEOUT)
    if isinstance(case.body, dict):
        for name in ("timeout", "begin_within", "end_within"):
            if isinstance(case.body.get(name), int | float):
                case.body[name] = max(case.body[name], LEAST_LASTING)
    if isinstance(query.get("wait"), int | float):
        query["wait"] = min(query["wait"], MOST_WAIT)


class Run:
    """What came of all requests."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.session = requests.Session()
        self.session.trust_env = False
        self.statuses: Counter[int] = Counter()
        self.jobs: list[str] = ["nosuch"]
        self.ended: list[str] = ["nosuch"]
        """Nothing else is followed, as the log of another may last."""

    @property
    def count(self) -> int:
        """Requests made."""
        return sum(self.statuses.values())

    def ask(self, case: Any) -> None:
        """Make a request, and see that the document has its answer."""
        tamed(case, self.ended if case.operation.label.endswith("/events") else self.jobs, self.count)
        answer = case.call(base_url=self.base, session=self.session)
        self.statuses[answer.status_code] += 1
        assert answer.status_code < 500, (case.operation.label, answer.status_code, answer.text)
        case.validate_response(answer, checks=CHECKS)
        if answer.status_code == 202:
            self.jobs = [answer.json()["id"], *self.jobs[:50]]
        elif answer.status_code == 200 and (where := answer.headers.get("location")):
            self.ended = [where[0].split("/")[3], *self.ended[:50]]

    def try_out(self, operation: Any, mode: GenerationMode, number: int, count: int) -> None:
        """Make so many requests of an operation, the same each time."""

        @seed(number)
        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def each(case: Any) -> None:
            self.ask(case)

        each()


@pytest.mark.timeout(300)
def test_thousands_of_requests_made_from_the_document_break_nothing(tmp_path: Path) -> None:
    file = tmp_path / "work.py"
    file.write_text(APP)
    with started("hub", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0") as hub:
        base, address = ready_http(hub)
        with serving("worker", str(file), "--hub", address):
            document = httpx.get(f"{base}/schema/openapi.json", trust_env=False).json()
            every: Any = schemathesis.openapi.from_dict(document).get_all_operations()
            operations = [found.ok() for found in every]
            run = Run(base)
            rounds = 0
            while run.count < CASES:
                rounds += 1
                for operation in operations:
                    if run.count >= CASES:
                        break
                    run.try_out(operation, GenerationMode.POSITIVE, rounds, ROUND)
                    if operation.label not in PLAIN:
                        run.try_out(operation, GenerationMode.NEGATIVE, rounds, ROUND // 3)
            assert hub.poll() is None
    print(f"{run.count} requests: {dict(sorted(run.statuses.items()))}")
    assert run.statuses[200] > CASES / 20
    assert run.statuses[202] > 20
    assert run.statuses[400] > CASES / 20


def test_the_document_is_whole(tmp_path: Path) -> None:
    """Each operation has a name, a summary, its parameters described, and problems that say which codes they have."""
    with started("hub", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0") as hub:
        document = httpx.get(f"{ready_http(hub)[0]}/schema/openapi.json", trust_env=False).json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == PATHS
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert operation["operationId"], path
            assert operation["summary"], path
            assert [one for one in operation.get("parameters", []) if not one.get("description")] == [], path
            answers = operation["responses"]
            assert {"400", "403", "413", "429", "431", "500"} <= set(answers), (method, path)
            for status, answer in answers.items():
                assert answer["description"], (path, status)
                if status >= "400":
                    (content,) = answer["content"].items()
                    assert content[0] == "application/problem+json"
                    assert content[1]["examples"]
    for path in ("/v1/run/{handler}", "/v1/jobs"):
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert content["examples"]
    assert set(document["components"]["schemas"]["NewJob"]["properties"]) == set(NewJob.__struct_fields__)
