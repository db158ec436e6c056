"""Call the quickstart's handlers, beside `farhand dev examples/quickstart.py`.

Run it with `python examples/client.py [HOST:PORT]`.
"""

import sys

import farhand

with farhand.Client(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051") as hub:
    print(hub.run("add", {"a": 1, "b": 2}))
    for left in hub.stream("countdown", {"start": 3, "pause": 0.01}):
        print(left)
    print(sum(hub.map("add", [{"a": i, "b": 1} for i in range(1000)])))
