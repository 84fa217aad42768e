"""Tutorial 4: prints what was sent under the routing keys or patterns that the arguments name."""

import sys

from common import connect


def on_message(channel, method, properties, body):
    print(f"received {method.routing_key}:{body.decode()}")


channel = connect().channel()
channel.exchange_declare(exchange="direct_logs", exchange_type="direct")
queue = channel.queue_declare(queue="", exclusive=True).method.queue
for key in sys.argv[1:]:
    channel.queue_bind(exchange="direct_logs", queue=queue, routing_key=key)
channel.basic_consume(queue=queue, on_message_callback=on_message, auto_ack=True)
print(f"waiting {queue}")
channel.start_consuming()
