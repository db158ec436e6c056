"""The second service of a pipeline: it fetches the readings from the first, and sums them up. In this folder:

farhand service report --proto measures_pb2 --port 8081 --grpc-port 50052
"""

from __future__ import annotations

import struct

import measures_pb2

import farhand
from farhand.kits.service import Input

app = farhand.App()


@app.handler
def Summarise(inputs: list[Input], station: str) -> measures_pb2.Summary:
    """Readings, which are on this machine's disk by now, in pieces."""
    count, total, rest = 0, 0.0, b""
    for one in inputs:
        for piece in one.chunks():
            piece, whole = rest + piece, (len(rest) + len(piece)) // 8 * 8
            values = struct.unpack(f"<{whole // 8}d", piece[:whole])
            count, total, rest = count + len(values), total + sum(values), piece[whole:]
    return measures_pb2.Summary(station=station, readings=count, mean=total / count)
