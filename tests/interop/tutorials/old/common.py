"""The tutorials as people wrote them for the first pika: positional arguments, the callback first, no_ack.

pika 1.x turned the order round; OldChannel gives the old one back, so that the programs can stay as they were. What
goes over the wire is what those programs send today through any pika.
"""

import os
import signal
import sys

import pika


class OldChannel:
    def __init__(self, channel):
        self.channel = channel

    def basic_consume(self, consumer_callback, queue="", no_ack=False, exclusive=False):
        return self.channel.basic_consume(queue, lambda _, *rest: consumer_callback(self, *rest), no_ack, exclusive)

    def queue_declare(self, queue="", **options):
        return self.channel.queue_declare(queue, **options)

    def __getattr__(self, name):
        return getattr(self.channel, name)


def open_channel():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    return OldChannel(pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])).channel())
