"""Tutorial 3: listens with a queue of its own, whose name the broker gives."""

from common import connect


def on_message(channel, method, properties, body):
    print(f"received {body.decode()}")


channel = connect().channel()
channel.exchange_declare(exchange="logs", exchange_type="fanout")
queue = channel.queue_declare(queue="", exclusive=True).method.queue
channel.queue_bind(exchange="logs", queue=queue)
channel.basic_consume(queue=queue, on_message_callback=on_message, auto_ack=True)
print(f"waiting {queue}")
channel.start_consuming()
