"""Tutorial 2: runs one task at a time and acknowledges it when it is done.

A task lasts until somebody writes a line to standard input, so that the test and not the clock decides which worker is
busy.
"""

import os
import sys

from common import connect


def on_task(channel, method, properties, body):
    text = body.decode()
    print(f"started {text} units={text.count('.')} redelivered={method.redelivered}")
    sys.stdin.readline()
    channel.basic_ack(delivery_tag=method.delivery_tag)
    print(f"done {text}")


channel = connect().channel()
kind = os.environ.get("TASK_QUEUE_TYPE")
channel.queue_declare(queue="task_queue", durable=True, arguments={"x-queue-type": kind} if kind else None)
channel.basic_qos(prefetch_count=1)
channel.basic_consume(queue="task_queue", on_message_callback=on_task)
print("waiting")
channel.start_consuming()
