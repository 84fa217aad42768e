"""Tutorial 3: tells everybody who listens."""

import sys

from common import connect

connection = connect()
channel = connection.channel()
channel.exchange_declare(exchange="logs", exchange_type="fanout")
text = " ".join(sys.argv[1:]) or "info: Hello World!"
channel.basic_publish(exchange="logs", routing_key="", body=text)
print(f"sent {text}")
connection.close()
