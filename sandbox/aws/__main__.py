"""``python -m sandbox.aws --port 5000``: run the sandbox until it is interrupted or terminated."""

import argparse
import json
import signal
import threading

from sandbox.aws.server import running


def main() -> None:
    """Print one line of JSON with the URL once requests are answered, then wait for SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.aws", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5000)
    arguments = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with running(arguments.port, host=arguments.host) as sandbox:
        print(json.dumps({"url": sandbox.url}), flush=True)
        stopped.wait()


if __name__ == "__main__":
    main()
