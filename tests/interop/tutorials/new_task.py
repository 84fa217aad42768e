"""Tutorial 2: a persistent task, as long as it has dots, into the durable queue `task_queue`.

TASK_QUEUE_TYPE=quorum declares the queue as the newer edition of the tutorial does.
"""

import os
import sys

import pika

from common import connect

connection = connect()
channel = connection.channel()
kind = os.environ.get("TASK_QUEUE_TYPE")
channel.queue_declare(queue="task_queue", durable=True, arguments={"x-queue-type": kind} if kind else None)
text = " ".join(sys.argv[1:]) or "Hello World!"
channel.basic_publish(exchange="", routing_key="task_queue", body=text,
                      properties=pika.BasicProperties(delivery_mode=2))
print(f"sent {text}")
connection.close()
