"""The programs of tutorials 1 to 6 in the old spelling: tutorial.py PROGRAM [ARGUMENT...]"""

import sys
import uuid

import pika

from common import open_channel


def waiting(channel):
    print("waiting")
    channel.start_consuming()


def send(*words):
    channel = open_channel()
    channel.queue_declare(queue="hello")
    channel.basic_publish(exchange="", routing_key="hello", body=" ".join(words))
    print(f"sent {' '.join(words)}")


def receive():
    channel = open_channel()
    channel.queue_declare(queue="hello")
    channel.basic_consume(lambda ch, method, properties, body: print(f"received {body.decode()}"),
                          queue="hello", no_ack=True)
    waiting(channel)


def new_task(*words):
    channel = open_channel()
    channel.queue_declare(queue="task_queue", durable=True)
    channel.basic_publish("", "task_queue", " ".join(words), pika.BasicProperties(delivery_mode=2))
    print(f"sent {' '.join(words)}")


def worker():
    def callback(ch, method, properties, body):
        print(f"started {body.decode()}")
        sys.stdin.readline()
        ch.basic_ack(delivery_tag=method.delivery_tag)
        print(f"done {body.decode()}")

    channel = open_channel()
    channel.queue_declare(queue="task_queue", durable=True)
    channel.basic_qos(prefetch_count=1)
    channel.basic_consume(callback, queue="task_queue")
    waiting(channel)


def emit(exchange, kind, key, *words):
    channel = open_channel()
    channel.exchange_declare(exchange=exchange, exchange_type=kind)
    channel.basic_publish(exchange=exchange, routing_key=key, body=" ".join(words))
    print(f"sent {key}:{' '.join(words)}")


def listen(exchange, kind, *keys):
    channel = open_channel()
    channel.exchange_declare(exchange=exchange, exchange_type=kind)
    result = channel.queue_declare(exclusive=True)
    for key in keys or ("",):
        channel.queue_bind(exchange=exchange, queue=result.method.queue, routing_key=key)
    channel.basic_consume(lambda ch, method, properties, body: print(f"received {method.routing_key}:{body.decode()}"),
                          queue=result.method.queue, no_ack=True)
    waiting(channel)


def rpc_server():
    def on_request(ch, method, props, body):
        ch.basic_publish(exchange="", routing_key=props.reply_to, body=str(int(body) ** 2),
                         properties=pika.BasicProperties(correlation_id=props.correlation_id))
        ch.basic_ack(delivery_tag=method.delivery_tag)

    channel = open_channel()
    channel.queue_declare(queue="rpc_queue")
    channel.basic_qos(prefetch_count=1)
    channel.basic_consume(on_request, queue="rpc_queue")
    waiting(channel)


def rpc_client(n):
    channel = open_channel()
    queue = channel.queue_declare(exclusive=True).method.queue
    answers = {}
    channel.basic_consume(lambda ch, method, props, body: answers.update({props.correlation_id: body.decode()}),
                          no_ack=True, queue=queue)
    wanted = str(uuid.uuid4())
    channel.basic_publish(exchange="", routing_key="rpc_queue", body=n,
                          properties=pika.BasicProperties(reply_to=queue, correlation_id=wanted))
    while wanted not in answers:
        channel.connection.process_data_events(time_limit=None)
    print(f"square({n}) = {answers[wanted]}")


globals()[sys.argv[1]](*sys.argv[2:])
