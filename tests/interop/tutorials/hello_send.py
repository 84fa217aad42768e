"""Tutorial 1: puts one message into the queue `hello`."""

import sys

from common import connect

connection = connect()
channel = connection.channel()
channel.queue_declare(queue="hello")
text = " ".join(sys.argv[1:]) or "Hello World!"
channel.basic_publish(exchange="", routing_key="hello", body=text)
print(f"sent {text}")
connection.close()
