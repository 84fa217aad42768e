"""Tutorial 1: prints what comes out of the queue `hello`."""

from common import connect


def on_message(channel, method, properties, body):
    print(f"received {body.decode()}")


channel = connect().channel()
channel.queue_declare(queue="hello")
channel.basic_consume(queue="hello", on_message_callback=on_message, auto_ack=True)
print("waiting")
channel.start_consuming()
