"""An AI server in a process of its own, until its stdin is closed. Argument: the log file."""

import sys

from farhand.kits.nextflow import AiServer

if __name__ == "__main__":
    with AiServer(port=0, log_file=sys.argv[1]) as server:
        print(server.port, flush=True)
        sys.stdin.read()
