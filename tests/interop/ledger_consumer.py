"""A consumer for the kill tests: LEDGER QUEUE GATE. Each of its steps is a line in the ledger, written before the next.

    began N PID    the task was received
    ended N PID    it was done; only now it is acknowledged
    acked N PID    the broker has answered a call made after the acknowledgement: it knows
"""

import os
import sys
import time

import pika

ledger, queue, gate = sys.argv[1:4]


def note(step, body):
    with open(ledger, "a", encoding="utf-8") as file:
        file.write(f"{step} {body.decode()} {os.getpid()}\n")


def on_task(channel, method, properties, body):
    note("began", body)
    while body.startswith(b"slow") and not os.path.exists(gate):
        time.sleep(0.01)
    note("ended", body)
    channel.basic_ack(method.delivery_tag)
    channel.exchange_declare("amq.direct", passive=True)
    note("acked", body)


channel = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])).channel()
channel.basic_qos(prefetch_count=int(os.environ.get("PREFETCH", "1")))
channel.basic_consume(queue, on_task)
print("waiting", flush=True)
channel.start_consuming()
