"""wherryctl's commands for a running broker, with rabbitmqctl's names, arguments and tables. Most of it is claimed of
RabbitMQ too: WHERRY_INTEROP_BROKER=rabbitmq runs the same commands with rabbitmqctl."""

import json
import os
import sqlite3
import tempfile

from pika import BasicProperties, exceptions

from harness import BrokerTest, main, only_wherry, setUpModule, tearDownModule, wait_until  # noqa: F401
from restarts import RestartTest


class Operators(BrokerTest):
    def control(self, *arguments):
        code, out, err = self.broker.control(*arguments)
        self.assertEqual(code, 0, (arguments, out, err))
        return out

    def refused(self, *arguments):
        code, out, err = self.broker.control(*arguments)
        self.assertNotEqual(code, 0, (arguments, out))
        return err

    def rows(self, *arguments):
        """The lines of a table, cell by cell, without its first line."""
        lines = self.control(*arguments, "-q").splitlines()
        return [tuple(line.split("\t")) for line in lines[1:]]

    def user(self, name):
        self.control("add_user", name, "pw")
        self.addCleanup(self.broker.control, "delete_user", name)

    def test_users_and_their_tags(self):
        self.assertEqual(self.control("add_user", "anna", "pw").splitlines()[0], 'Adding user "anna" ...')
        self.assertIn("already exists", self.refused("add_user", "anna", "pw"))
        self.control("set_user_tags", "anna", "monitoring", "policymaker")
        self.assertIn("anna", [row[0] for row in self.rows("list_users")])
        self.control("authenticate_user", "anna", "pw")
        self.refused("authenticate_user", "anna", "other")
        self.control("change_password", "anna", "other")
        self.control("authenticate_user", "anna", "other")
        self.control("clear_password", "anna")
        self.refused("authenticate_user", "anna", "other")
        self.control("delete_user", "anna")
        self.assertIn("does not exist", self.refused("delete_user", "anna"))

    def test_permissions(self):
        self.user("berta")
        self.control("set_permissions", "-p", "/", "berta", "^a", "^b", "^c")
        self.assertIn(("berta", "^a", "^b", "^c"), self.rows("list_permissions", "-p", "/"))
        self.assertEqual(self.rows("list_user_permissions", "berta"), [("/", "^a", "^b", "^c")])
        self.control("set_topic_permissions", "-p", "/", "berta", "amq.topic", "^w", "^r")
        self.assertIn(("berta", "amq.topic", "^w", "^r"), self.rows("list_topic_permissions", "-p", "/"))
        self.assertEqual(self.rows("list_user_topic_permissions", "berta"), [("/", "amq.topic", "^w", "^r")])
        self.control("clear_topic_permissions", "-p", "/", "berta")
        self.assertEqual(self.rows("list_user_topic_permissions", "berta"), [])
        self.control("clear_permissions", "-p", "/", "berta")
        self.assertEqual(self.rows("list_user_permissions", "berta"), [])
        self.refused("set_permissions", "-p", "/", "nobody", ".*", ".*", ".*")
        self.refused("set_permissions", "-p", "nowhere", "berta", ".*", ".*", ".*")

    def test_virtual_hosts(self):
        self.control("add_vhost", "va", "--description", "mine", "--tags", "x,y")
        self.assertIn(("va", "mine"), self.rows("list_vhosts", "name", "description"))
        self.control("set_permissions", "-p", "va", "guest", ".*", ".*", ".*")
        connection = self.connect(vhost="va")
        self.control("delete_vhost", "va")
        with self.assertRaises(exceptions.ConnectionClosedByBroker) as closed:
            self.pump(connection, lambda: False, "the end")
        self.assertEqual(closed.exception.reply_text, "CONNECTION_FORCED - vhost 'va' is deleted")
        self.assertIn("does not exist", self.refused("delete_vhost", "va"))

    def test_what_there_is(self):
        channel = self.channel()
        queue, exchange = self.name(), self.name("e")
        channel.queue_declare(queue)
        channel.exchange_declare(exchange, "fanout")
        channel.queue_bind(queue, exchange, "k")
        channel.basic_publish("", queue, b"x")
        channel.basic_qos(prefetch_count=7)
        channel.basic_consume(queue, lambda *_: None, consumer_tag="tag")
        wait_until(lambda: (queue, "1", "1") in self.rows("list_queues", "name", "messages_unacknowledged", "consumers"),
                   "the delivery")
        self.assertIn((exchange, "fanout"), self.rows("list_exchanges"))
        self.assertIn((exchange, "exchange", queue, "queue", "k"), [row[:5] for row in self.rows("list_bindings")])
        self.assertIn(("guest", "running"), self.rows("list_connections", "user", "state"))
        self.assertIn(("guest", "1", "1"),
                      self.rows("list_channels", "user", "consumer_count", "messages_unacknowledged"))
        self.assertIn((queue, "tag", "true", "7"),
                      self.rows("list_consumers", "queue_name", "consumer_tag", "ack_required", "prefetch_count"))
        self.assertIn("not supported", self.refused("list_exchanges", "odd"))
        shown = json.loads(self.control("list_queues", "name", "messages", "--formatter", "json"))
        self.assertIn({"name": queue, "messages": 1}, shown)
        self.assertIn("│", self.control("list_queues", "name", "--formatter", "pretty_table"))

    def test_queues_are_emptied_and_deleted(self):
        channel = self.channel()
        queue = self.name()
        channel.queue_declare(queue)
        channel.basic_publish("", queue, b"x")
        self.wait_depth(channel, queue, 1)
        self.refused("delete_queue", queue, "--if-empty")
        self.control("purge_queue", queue)
        self.assertEqual(self.depth(channel, queue), 0)
        self.control("delete_queue", queue)
        with self.assertRaises(exceptions.ChannelClosedByBroker):
            self.depth(channel, queue)
        self.refused("purge_queue", queue)

    @only_wherry
    def test_messages_are_moved_to_another_queue(self):
        channel = self.channel()
        queue, other = self.name("from"), self.name("to")
        for each in (queue, other):
            channel.queue_declare(each)
        for number in range(5):
            channel.basic_publish("", queue, str(number).encode())
        self.wait_depth(channel, queue, 5)
        self.assertEqual(self.rows("move_messages", queue, other, "2"), [("2", "3", "0")])
        self.assertEqual((self.depth(channel, queue), self.depth(channel, other)), (3, 2))
        self.control("move_messages", queue, other)
        self.assertEqual([self.get(channel, other, auto_ack=True)[2] for _ in range(5)], [b"0", b"1", b"2", b"3", b"4"])
        self.assertIn("there is no queue 'nowhere' to move to", self.refused("move_messages", queue, "nowhere"))
        self.assertIn("'some' is no number of messages", self.refused("move_messages", queue, other, "some"))

    @only_wherry
    def test_a_queue_is_paused_and_resumed(self):
        channel = self.channel()
        queue = self.name()
        channel.queue_declare(queue)
        self.control("pause_queue", queue)
        self.assertIn((queue, "paused"), self.rows("list_queues", "name", "state"))
        got = []
        channel.basic_consume(queue, lambda *delivery: got.append(delivery[3]), auto_ack=True)
        channel.basic_publish("", queue, b"x")
        # The queue has it, and its consumer has not.
        self.wait_depth(self.channel(), queue, 1)
        self.control("resume_queue", queue)
        wait_until(lambda: channel.connection.process_data_events(0) or got, "the message")
        self.assertEqual(got, [b"x"])
        self.assertIn("there is no queue 'nowhere'", self.refused("pause_queue", "nowhere"))

    def test_connections_are_closed(self):
        connection = self.connect()
        self.control("close_all_connections", "-p", "/", "go away")
        with self.assertRaises(exceptions.ConnectionClosedByBroker) as closed:
            self.pump(connection, lambda: False, "the end")
        self.assertEqual((closed.exception.reply_code, closed.exception.reply_text), (320, "CONNECTION_FORCED - go away"))

    def test_definitions_go_out_and_come_back(self):
        channel = self.channel()
        queue = self.name()
        channel.queue_declare(queue, durable=True)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "definitions.json")
            self.control("export_definitions", path)
            with open(path, encoding="utf-8") as file:
                self.assertIn(queue, [each["name"] for each in json.load(file)["queues"]])
            self.control("delete_queue", queue)
            self.control("import_definitions", path)
        self.assertEqual(self.depth(self.channel(), queue), 0)

    def test_whether_it_is_up(self):
        self.control("ping")
        self.control("await_startup")
        self.control("environment")
        self.control("status")

    @only_wherry
    def test_status_is_of_this_moment(self):
        rows = dict(self.rows("status"))
        self.assertEqual(rows["os_pid"], str(self.broker.program.process.pid))
        self.assertGreater(int(rows["mem_used"]), 1 << 20)


@only_wherry
class Lasting(RestartTest):
    control, refused, rows = Operators.control, Operators.refused, Operators.rows

    def states(self):
        return dict(self.rows("list_queues", "name", "state"))

    def test_a_paused_queue_is_paused_after_a_restart_until_it_is_resumed(self):
        self.broker.start()
        channel = self.channel()
        for queue in ("work", "gone", "again"):
            channel.queue_declare(queue, durable=True)
            self.control("pause_queue", queue)
        channel.queue_declare("passing")
        self.control("pause_queue", "passing")
        channel.confirm_delivery()
        channel.basic_publish("", "work", b"kept", BasicProperties(delivery_mode=2))
        # Another of the same name is another queue.
        channel.queue_delete("gone")
        channel.queue_delete("again")
        channel.queue_declare("again", durable=True)
        self.broker.kill()
        self.broker.start()
        self.assertEqual(self.states(), {"work": "paused", "again": "running"})
        channel, got = self.channel(), []
        channel.basic_consume("work", lambda *delivery: got.append(delivery[3]), auto_ack=True)
        self.wait_depth(self.channel(), "work", 1)
        self.control("resume_queue", "work")
        wait_until(lambda: channel.connection.process_data_events(0) or got, "the message")
        self.assertEqual(got, [b"kept"])
        self.broker.kill()
        self.broker.start()
        self.assertEqual(self.states(), {"work": "running", "again": "running"})
        self.broker.end()
        # What belonged to queues that were deleted is forgotten.
        with sqlite3.connect(self.broker.data / "definitions.sqlite") as definitions:
            self.assertEqual(definitions.execute("SELECT count(*) FROM parameters WHERE component = 'paused-queue'").fetchone()[0], 0)


if __name__ == "__main__":
    main()
