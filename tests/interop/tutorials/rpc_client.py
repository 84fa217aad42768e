"""Tutorial 6: asks for Fibonacci numbers, one after the other, and matches answers by correlation id."""

import sys
import uuid

import pika

from common import connect


class FibonacciClient:
    def __init__(self):
        self.connection = connect()
        self.channel = self.connection.channel()
        self.replies = self.channel.queue_declare(queue="", exclusive=True).method.queue
        self.channel.basic_consume(queue=self.replies, on_message_callback=self.on_reply, auto_ack=True)
        self.id = self.answer = None

    def on_reply(self, channel, method, properties, body):
        if properties.correlation_id == self.id:
            self.answer = int(body)

    def call(self, n):
        self.id, self.answer = str(uuid.uuid4()), None
        self.channel.basic_publish(exchange="", routing_key="rpc_queue", body=str(n),
                                   properties=pika.BasicProperties(reply_to=self.replies, correlation_id=self.id))
        while self.answer is None:
            self.connection.process_data_events(time_limit=None)
        return self.answer


client = FibonacciClient()
for n in sys.argv[1:]:
    print(f"fib({n}) = {client.call(int(n))}")
client.connection.close()
