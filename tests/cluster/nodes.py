"""A RabbitMQ cluster of our own: three nodes of Debian's rabbitmq-server on loopback, made as its manual says."""

import concurrent.futures
import json
import os
import subprocess
import urllib.parse
import urllib.request

from brokers import TIME_SCALE, Broker, RabbitNode, api_request, wait_until

PLUGINS = ("rabbitmq_management", "rabbitmq_shovel")


class Cluster(Broker):
    """url() names all nodes, the first that lives in front; host and port are that node's."""

    def __init__(self, size=3):
        self.nodes = []
        try:
            first = RabbitNode(plugins=PLUGINS)
            self.nodes.append(first)
            with concurrent.futures.ThreadPoolExecutor() as pool:
                others = [pool.submit(RabbitNode, beside=first, plugins=PLUGINS) for _ in range(size - 1)]
                self.nodes += [each.result() for each in others]
            for node in self.nodes[1:]:
                for words in (("stop_app",), ("join_cluster", name_of(first)), ("start_app",)):
                    self.run(node, *words)
        except BaseException:
            self.end()
            raise

    @property
    def living(self):
        return [node for node in self.nodes if node.program.process.poll() is None]

    @property
    def port(self):
        return self.living[0].amqp

    def url(self, user="guest", password="guest", vhost="/"):
        where = f"/{urllib.parse.quote(vhost, safe='')}?heartbeat=10"
        return ";".join(f"amqp://{user}:{password}@127.0.0.1:{node.amqp}{where}"
                        for node in sorted(self.nodes, key=lambda node: node not in self.living))

    def run(self, node, *words):
        """rabbitmqctl at a node; what it prints."""
        done = subprocess.run(["/usr/lib/rabbitmq/bin/rabbitmqctl", *words], stdin=subprocess.DEVNULL,
                              env={**os.environ, **node.tool_env(node.amqp, node.epmd_port, node.home)},
                              capture_output=True, text=True, timeout=120 * TIME_SCALE, check=False)
        if done.returncode != 0:
            raise AssertionError(f"rabbitmqctl {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def ask(self, path):
        """What the management interface of a living node says."""
        with urllib.request.urlopen(api_request(self.living[0].http, "GET", path), timeout=30) as answer:
            return json.load(answer)

    def queue(self, name):
        return self.ask(f"/api/queues/%2F/{urllib.parse.quote(name, safe='')}")

    def node_named(self, name):
        return next(node for node in self.nodes if name_of(node) == name)

    def kill(self, node):
        node.program.kill()

    def start_again(self, node):
        """And waits until it is one of the cluster again."""
        node.program.stop()
        node.start()
        wait_until(lambda: all(each["running"] for each in self.ask("/api/nodes")), "all nodes run", 120)

    def stop(self):
        """Nothing: the next class has it too."""

    def end(self):
        for node in self.nodes:
            node.program.kill()  # A member of a cluster takes its time to leave.
        for node in self.nodes:
            node.stop()


def name_of(node):
    return node.tool_env(node.amqp, node.epmd_port, node.home)["RABBITMQ_NODENAME"]
