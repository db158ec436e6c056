"""One process of a distributed training: ``python -m farhand.kits.snakepit.streams.shard``. It holds its part of the
data, and answers parameters with the gradient of the rows that it is told.

Both ways go frames: four bytes of length, big-endian, and arrays as numpy's .npz, which holds no pickle. It ends with
its parent's end of the pipe."""

from __future__ import annotations

import io
import os
import sys
from typing import IO, Any

import numpy as np

from farhand.kits.snakepit.streams.network import Network


def send(pipe: IO[bytes], **arrays: Any) -> None:
    """Write a frame of arrays.

    Raises:
        OSError: the other end is gone.
    """
    body = io.BytesIO()
    np.savez(body, **arrays)
    pipe.write(body.tell().to_bytes(4, "big"))
    pipe.write(body.getbuffer())
    pipe.flush()


def receive(pipe: IO[bytes]) -> dict[str, Any] | None:
    """Read a frame; None where the other end is gone."""
    head = pipe.read(4)
    size = int.from_bytes(head, "big")
    body = pipe.read(size) if len(head) == 4 else b""
    if len(head) < 4 or len(body) < size:
        return None
    with np.load(io.BytesIO(body), allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Take the data, then answer each order, until `source` ends."""
    start = receive(source)
    if start is None:
        return
    network = Network([int(one) for one in start["sizes"]])
    inputs, labels = start["inputs"], start["labels"]
    send(sink, rows=np.asarray(len(labels)))
    while (order := receive(source)) is not None:
        rows = order["rows"]
        gradient, loss, right = network.gradient(order["parameters"], inputs[rows], labels[rows])
        send(sink, gradient=gradient, loss=np.asarray(loss), right=np.asarray(right))


def main() -> None:
    """Run as a process of its own; what is printed goes to stderr, and not among the frames."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()
