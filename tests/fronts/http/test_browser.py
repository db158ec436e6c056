"""A browser's EventSource, cut off again and again, sees each event once and stops at the end by itself."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import httpx
import pytest

from farhand.assembly import RunningHub
from tests.fronts.http import chromium

CHUNKS = 350
FOLLOW = """
new Promise((done) => {
  const source = new EventSource("/v1/jobs/%s/events");
  const seen = [];
  let reconnects = -1;
  for (const kind of ["queued", "started", "progress", "console", "chunk", "succeeded", "failed"])
    source.addEventListener(kind, (event) =>
      seen.push([Number(event.lastEventId), kind, JSON.parse(event.data).value]));
  source.onopen = () => reconnects++;
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) done({ seen, reconnects });
  };
})
"""


@pytest.mark.timeout(60)
async def test_an_event_source_goes_on_where_it_was_cut_and_stops_at_the_end(
    served: RunningHub, web: httpx.AsyncClient
) -> None:
    server: Any = served._http
    async with chromium.page(f"http://{served.http}/schema/openapi.json") as page:
        made = await web.post("/v1/jobs", json={"handler": "chunks_slowly", "args": {"count": CHUNKS}})
        following = asyncio.ensure_future(page.run(FOLLOW % made.json()["id"]))

        async def cut() -> None:
            """Cut whoever follows, soon after it has come."""
            while True:
                await asyncio.sleep(0.05)
                for one in list(server._listener._state.connections):
                    if one._task in server._door.followers:
                        one.close_now()

        cutting = asyncio.ensure_future(cut())
        await web.get(f"{made.headers['location']}/result?wait=30")
        cutting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cutting
        found = await following
    assert found["reconnects"] >= 3
    assert [offset for offset, _, _ in found["seen"]] == list(range(CHUNKS + 3))
    assert [value for _, kind, value in found["seen"] if kind == "chunk"] == list(range(CHUNKS))


async def test_a_page_of_another_origin_gets_nothing(served: RunningHub, web: httpx.AsyncClient) -> None:
    async with chromium.page("about:blank") as page:
        script = f"""
        Promise.all([
          fetch("http://{served.http}/v1/workers").then(() => "read", () => "refused"),
          fetch("http://{served.http}/v1/run/add", {{method: "POST", mode: "no-cors", body: '{{"a":1,"b":2}}'}})
            .then((answer) => answer.type, () => "refused"),
        ])"""
        assert await page.run(script) in (["refused", "opaque"], ["refused", "refused"])
    text = (await web.get("/metrics")).text
    assert "farhand_jobs_total{" not in text  # it was not run
