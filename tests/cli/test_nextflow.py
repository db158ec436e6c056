"""`farhand hub --nextflow-policy`, with the policy that the page shows."""

from __future__ import annotations

from pathlib import Path

import httpx

from farhand.kits.nextflow import close_channels, send_task_observation
from tests.cli.processes import ready, ready_http, serving, started
from tests.docs.pages import ROOT, blocks
from tests.wire.nextflow.test_weblog import EVENT

PAGE = (ROOT / "docs/how-to/nextflow.md").read_text()


def test_a_hub_with_a_policy_answers_nextflow_and_plugins(tmp_path: Path) -> None:
    policy = tmp_path / "policy.py"
    policy.write_text(blocks(PAGE, "python")[0])
    flags = ("--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--nextflow-policy", "decide")
    with started("hub", *flags) as hub:
        base, address = ready_http(hub)
        with serving("worker", str(policy), "--hub", address):
            event = {**EVENT, "trace": {**EVENT["trace"], "exit": 137}}
            action = httpx.post(f"{base}/nextflow/weblog", json=event, timeout=20, trust_env=False).json()
            assert (action["action_details"], action["success"]) == ("retry with twice the memory", True)
            action = send_task_observation({"exit_code": 137}, address, timeout=20).result()
            assert action.message == "out of memory"
            confirmed = send_task_observation({"event_id": "e", "event_type": "t"}, address, timeout=20).result()
            assert confirmed.action_details == "Action for event e: Processed event type 't'"
    close_channels()


def test_dev_takes_the_policy_from_its_settings(tmp_path: Path) -> None:
    policy = tmp_path / "policy.py"
    policy.write_text(blocks(PAGE, "python")[0])
    flags = ("--grpc", "127.0.0.1:0", "--http", "off")
    with started("dev", str(policy), *flags, FARHAND_NEXTFLOW_POLICY="decide") as dev:
        address = ready(dev)
        action = send_task_observation({"exit_code": 137}, address, timeout=25).result()
        assert action.action_details == "retry with twice the memory"
    close_channels()


def test_what_is_no_handlers_name_is_refused() -> None:
    with started("hub", "--grpc", "127.0.0.1:0", "--nextflow-policy", "no handler") as hub:
        assert hub.wait(20) == 2 or hub.returncode == 1
