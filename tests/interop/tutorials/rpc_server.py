"""Tutorial 6: computes Fibonacci numbers for whoever asks through `rpc_queue`."""

import pika

from common import connect


def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def on_request(channel, method, properties, body):
    print(f"asked for {body.decode()}")
    channel.basic_publish(exchange="", routing_key=properties.reply_to, body=str(fibonacci(int(body))),
                          properties=pika.BasicProperties(correlation_id=properties.correlation_id))
    channel.basic_ack(delivery_tag=method.delivery_tag)


channel = connect().channel()
channel.queue_declare(queue="rpc_queue")
channel.basic_qos(prefetch_count=1)
channel.basic_consume(queue="rpc_queue", on_message_callback=on_request)
print("waiting")
channel.start_consuming()
