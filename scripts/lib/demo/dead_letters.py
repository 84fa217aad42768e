"""Reading the workers' dead-letter queue with pika, as any AMQP client could; what is read stays where it is."""

import pika

QUEUE = "wherry.dead"


class Letter:
    def __init__(self, headers):
        self.headers = headers
        self.reason = str(headers.get("x-wherry-reason", ""))
        self.attempts = len(headers.get("x-wherry-history", []))


def find(url, task_id):
    """The dead letter of a task, or None."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        unsettled = []
        found = None
        while found is None:
            method, properties, _ = channel.basic_get(QUEUE)
            if method is None:
                break
            unsettled.append(method.delivery_tag)
            if properties.headers.get("id") == task_id:
                found = Letter(properties.headers)
        for tag in unsettled:
            channel.basic_nack(tag, requeue=True)
        return found
    finally:
        connection.close()
