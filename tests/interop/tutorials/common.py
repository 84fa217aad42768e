"""What the tutorial programs share: the broker's address, and Ctrl-C or SIGTERM as the way to end a consumer."""

import os
import signal
import sys

import pika


def connect():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    return pika.BlockingConnection(pika.URLParameters(os.environ.get("AMQP_URL", "amqp://guest:guest@localhost/")))
