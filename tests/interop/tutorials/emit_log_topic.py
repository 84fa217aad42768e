"""Tutorial 5: a message under a routing key: KEY TEXT..."""

import sys

from common import connect

connection = connect()
channel = connection.channel()
channel.exchange_declare(exchange="topic_logs", exchange_type="topic")
key = sys.argv[1] if len(sys.argv) > 1 else "info"
text = " ".join(sys.argv[2:]) or "Hello World!"
channel.basic_publish(exchange="topic_logs", routing_key=key, body=text)
print(f"sent {key}:{text}")
connection.close()
