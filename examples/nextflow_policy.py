"""Decide, while a Nextflow run goes on, how much memory its tasks get: a policy that learns from what it is told.

farhand dev examples/nextflow_policy.py
python examples/nextflow_policy.py
"""

import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from statistics import mean, pstdev
from typing import Any

import farhand
from farhand.kits.nextflow import AiServer, send_task_observation

MB = 1_000_000
KILLED = 137
"""The exit code of a task that took more memory than it was given."""

app = farhand.App()


@app.lifespan
def begin(state: Any) -> Iterator[None]:
    state.peaks = defaultdict(list)
    yield


@app.handler
def decide(ctx: farhand.Context, observation: dict[str, Any]) -> str | None:
    """What to do about a task: by the peaks of its process so far, three deviations above their mean."""
    peaks = ctx.state.peaks[observation["process_name"]]
    enough = (mean(peaks) + 3 * pstdev(peaks)) / MB if len(peaks) > 2 else 0.0
    if observation["event_type"] == "task_start":
        return f"give it {enough:.0f} MB" if enough else None
    if observation["exit_code"] == KILLED:
        return f"retry it with {max(enough, 2 * observation['peak_rss_bytes'] / MB):.0f} MB"
    peaks.append(observation["peak_rss_bytes"])
    return f"learned from {len(peaks)}"


def run(address: str) -> None:
    """Tell of a small run as a plugin does, and print what was decided."""
    for number, peak in enumerate((210, 190, 205, 195), 1):
        task = {"process_name": "ALIGN", "task_name": f"ALIGN ({number})", "task_id_num": number}
        for event in (
            {"event_type": "task_start", "status": "SUBMITTED"},
            {"event_type": "task_complete", "status": "COMPLETED", "exit_code": 0, "peak_rss_bytes": peak * MB},
        ):
            print(number, event["status"], "→", send_task_observation(task | event, address).result(10).action_details)
    killed = {"process_name": "ALIGN", "event_type": "task_complete", "exit_code": KILLED, "peak_rss_bytes": 300 * MB}
    print(5, "FAILED", "→", send_task_observation(killed, address, timeout=10).result().action_details)


if __name__ == "__main__":
    hub = sys.argv[1] if len(sys.argv) > 1 else "localhost:50051"
    with tempfile.NamedTemporaryFile() as log, AiServer(port=0, policy="decide", hub=hub, log_file=log.name) as server:
        run(f"localhost:{server.port}")
