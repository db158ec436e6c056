"""The six streams of Snakepit's guide, each doing the work that it is named for. `app` has them, for
``farhand snakepit-worker``, and for ``farhand worker`` too, where a chunk keeps its `is_final`.

Their files are those that the worker's process may read: whoever may call it names them."""

from __future__ import annotations

from farhand.kits.snakepit.streams.dataset import process_large_dataset
from farhand.kits.snakepit.streams.inference import batch_inference
from farhand.kits.snakepit.streams.ping import ping_stream
from farhand.kits.snakepit.streams.stocks import realtime_stock_analysis
from farhand.kits.snakepit.streams.tail import tail_and_analyze
from farhand.kits.snakepit.streams.training import distributed_training
from farhand.worker.app import App

app = App()
for _stream in (
    ping_stream,
    batch_inference,
    process_large_dataset,
    tail_and_analyze,
    distributed_training,
    realtime_stock_analysis,
):
    app.handler(_stream)
