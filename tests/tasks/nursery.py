"""Starts workers fast: imports everything once, then forks a process group for each worker it is asked for.

Reads orders, one JSON object a line, and answers each with the process group's id. What reads the environment is
imported only after the fork.
"""

import importlib
import json
import os
import signal
import sys

import boto3
import celery.bin.worker
import duckdb
import httpx
import redis
import structlog

import booktape.publish.executor
import booktape.rest.books

_ = (boto3, celery, duckdb, httpx, redis, structlog, booktape)


def worker(order: dict[str, object]) -> None:
    os.setpgid(0, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(str(order["log"]), os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(order["environment"])  # type: ignore[call-overload]
    app = importlib.import_module(str(order["application"])).app
    app.worker_main(order["arguments"])
    os._exit(0)


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            worker(order)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
