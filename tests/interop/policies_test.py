"""Policies and limits that an operator sets while clients are at work: what pika sees of them, and what the tool says."""

import json
import os
import re
import signal
import socket
import stat

from pika import exceptions

from harness import BrokerTest, main, only_wherry, setUpModule, tearDownModule, wait_until  # noqa: F401
from restarts import RestartTest


class Controlled(BrokerTest):
    def control(self, *arguments):
        """Runs the tool; it must succeed. Returns what it printed."""
        code, out, err = self.broker.control(*arguments)
        self.assertEqual(code, 0, (arguments, out, err))
        return out

    def refused(self, *arguments):
        """Runs the tool; the broker must refuse. Returns what it said."""
        code, out, err = self.broker.control(*arguments)
        self.assertNotEqual(code, 0, (arguments, out))
        return err

    def set_policy(self, name, pattern, definition, *options):
        self.control("set_policy", name, pattern, json.dumps(definition), *options)
        self.addCleanup(self.broker.control, "clear_policy", name)

    def set_operator_policy(self, name, pattern, definition, *options):
        self.control("set_operator_policy", name, pattern, json.dumps(definition), *options)
        self.addCleanup(self.broker.control, "clear_operator_policy", name)

    def pattern(self, name):
        return f"^{re.escape(name)}"

    def fill(self, channel, queue, count, first=0):
        for number in range(first, first + count):
            channel.basic_publish("", queue, str(number).encode())

    def filled(self, channel, count=5, **options):
        queue = self.name()
        channel.queue_declare(queue, **options)
        self.fill(channel, queue, count)
        return queue


class Policies(Controlled):
    def test_a_policy_changes_the_queues_that_are_there(self):
        channel = self.channel()
        queue, other = self.filled(channel), self.filled(channel)
        self.wait_depth(channel, queue, 5)
        self.set_policy("short", self.pattern(queue) + "$", {"max-length": 2})
        self.wait_depth(channel, queue, 2)
        self.assertEqual(self.get(channel, queue, auto_ack=True)[2], b"3")
        self.assertEqual(self.depth(channel, other), 5)
        self.control("clear_policy", "short")
        wait_until(lambda: (self.fill(channel, queue, 1), self.depth(channel, queue) > 2)[1], "room without the policy")

    def test_a_new_queue_has_its_policy_from_the_start(self):
        channel = self.channel()
        queue = self.name()
        self.set_policy("short", self.pattern(queue), {"max-length": 1})
        channel.queue_declare(queue)
        self.fill(channel, queue, 3)
        self.assertEqual(self.get(channel, queue, auto_ack=True)[2], b"2")
        self.assertEqual(self.depth(channel, queue), 0)

    def test_only_the_policy_of_the_highest_priority_counts(self):
        channel = self.channel()
        queue = self.filled(channel)
        self.set_policy("high", self.pattern(queue), {"max-length": 4}, "--priority", "5")
        self.wait_depth(channel, queue, 4)
        self.set_policy("low", self.pattern(queue), {"max-length": 1}, "--priority", "1")
        # Seen by another queue that the second one alone is for.
        self.set_policy("probe", "^probe-of-priority", {"max-length": 1})
        channel.queue_declare("probe-of-priority")
        self.fill(channel, "probe-of-priority", 2)
        self.wait_depth(channel, "probe-of-priority", 1)
        self.assertEqual(self.depth(channel, queue), 4)
        self.control("clear_policy", "high")
        self.wait_depth(channel, queue, 1)

    def test_of_policy_and_argument_the_smaller_number_counts(self):
        channel = self.channel()
        small = self.filled(channel, arguments={"x-max-length": 1})
        large = self.filled(channel, arguments={"x-max-length": 50})
        self.wait_depth(channel, large, 5)
        self.set_policy("bound", f"{self.pattern(small)}$|{self.pattern(large)}$", {"max-length": 3})
        self.wait_depth(channel, large, 3)
        self.assertEqual(self.depth(channel, small), 1)

    def test_an_operator_policy_caps_arguments_and_policies(self):
        channel = self.channel()
        queue = self.filled(channel, arguments={"x-max-length": 50})
        self.set_operator_policy("cap", self.pattern(queue), {"max-length": 3})
        self.wait_depth(channel, queue, 3)
        self.set_policy("wish", self.pattern(queue), {"max-length": 4})
        self.fill(channel, queue, 3)
        self.wait_depth(channel, queue, 3)
        self.set_policy("wish", self.pattern(queue), {"max-length": 2})
        self.wait_depth(channel, queue, 2)

    def test_a_queue_is_declared_again_whatever_its_policy(self):
        channel = self.channel()
        queue = self.filled(channel)
        self.set_policy("short", self.pattern(queue), {"max-length": 2, "message-ttl": 600000})
        self.wait_depth(channel, queue, 2)
        channel.queue_declare(queue)
        with self.assertRaises(exceptions.ChannelClosedByBroker) as closed:
            channel.queue_declare(queue, arguments={"x-max-length": 2})
        self.assertEqual(closed.exception.reply_code, 406)

    def test_dead_letters_go_where_a_policy_says(self):
        channel = self.channel()
        dead, queue = self.name("dead"), self.filled(channel, 1)
        channel.queue_declare(dead)
        self.set_policy("dlx", self.pattern(queue), {"dead-letter-exchange": "", "dead-letter-routing-key": dead,
                                                      "max-length": 1})
        wait_until(lambda: (self.fill(channel, queue, 1), self.depth(channel, dead) > 0)[1], "a dead letter")
        _, properties, _ = self.get(channel, dead, auto_ack=True)
        self.assertEqual(properties.headers["x-death"][0]["reason"], "maxlen")

    def test_a_full_queue_refuses_when_its_policy_says_so(self):
        channel = self.channel()
        queue = self.filled(channel, 2)
        channel.confirm_delivery()
        self.set_policy("full", self.pattern(queue), {"max-length": 2, "overflow": "reject-publish"})

        def nacked():
            try:
                channel.basic_publish("", queue, b"x")
            except exceptions.NackError:
                return True
            return False
        wait_until(nacked, "a nack")
        self.assertGreaterEqual(self.depth(channel, queue), 2)

    def test_new_messages_expire_by_the_policy(self):
        channel = self.channel()
        queue = self.name()
        channel.queue_declare(queue)
        self.set_policy("brief", self.pattern(queue), {"message-ttl": 50})
        wait_until(lambda: (self.fill(channel, queue, 1), True)[1], "published")
        self.wait_depth(channel, queue, 0)

    @only_wherry
    def test_messages_that_are_there_expire_by_the_policy_too(self):
        channel = self.channel()
        queue = self.filled(channel)
        self.wait_depth(channel, queue, 5)
        self.set_policy("brief", self.pattern(queue), {"message-ttl": 1})
        self.wait_depth(channel, queue, 0)

    def test_an_unused_queue_expires_by_the_policy(self):
        channel = self.channel()
        queue = self.filled(channel)
        self.set_policy("unused", self.pattern(queue), {"expires": 50})
        channel.confirm_delivery()

        def gone():
            # Asking for it would be using it; publishing to it is not.
            try:
                channel.basic_publish("", queue, b"x", mandatory=True)
            except exceptions.UnroutableError:
                return True
            return False
        wait_until(gone, "the queue is gone")

    def test_an_exchange_gets_its_alternate_from_a_policy(self):
        channel = self.channel()
        exchange, rest = self.name("x"), self.name("rest")
        channel.exchange_declare(exchange, "direct")
        channel.queue_declare(rest)
        channel.queue_bind(rest, "amq.fanout")
        self.addCleanup(self.broker.control, "clear_policy", "ae")
        self.set_policy("ae", self.pattern(exchange), {"alternate-exchange": "amq.fanout"}, "--apply-to", "exchanges")
        wait_until(lambda: (channel.basic_publish(exchange, "nobody", b"x"), self.depth(channel, rest) > 0)[1],
                   "what nobody wanted")

    def test_apply_to_queues_leaves_exchanges_alone_and_the_other_way_round(self):
        channel = self.channel()
        queue = self.filled(channel)
        self.wait_depth(channel, queue, 5)
        self.set_policy("wrong", self.pattern(queue), {"max-length": 1}, "--apply-to", "exchanges", "--priority", "9")
        self.set_policy("right", self.pattern(queue), {"max-length": 3}, "--apply-to", "queues")
        self.wait_depth(channel, queue, 3)


class Tool(Controlled):
    def test_policies_are_listed_as_they_were_set(self):
        self.set_policy("b", "^b", {"max-length": 5, "message-ttl": 100}, "--priority", "3", "--apply-to", "queues")
        self.set_operator_policy("o", "^q", {"max-length": 3})
        self.assertEqual(self.control("list_policies"),
                         'Listing policies for vhost "/" ...\nvhost\tname\tpattern\tapply-to\tdefinition\tpriority\n'
                         '/\tb\t^b\tqueues\t{"max-length":5,"message-ttl":100}\t3\n')
        self.assertEqual(self.control("list_operator_policies", "-q"),
                         'vhost\tname\tpattern\tapply-to\tdefinition\tpriority\n/\to\t^q\tall\t{"max-length":3}\t0\n')
        listed = json.loads(self.control("list_policies", "--formatter", "json"))
        self.assertEqual([(row["name"], json.loads(row["definition"])["max-length"]) for row in listed], [("b", 5)])

    def test_what_is_no_policy_is_refused_and_not_kept(self):
        for definition, why in [('{"foo":5}', '[{<<"foo">>,5}] are not recognised policy settings'),
                                ('{}', "no policy provided"),
                                ('{"max-length":-1}', "-1 is not a valid maximum length"),
                                ('{"message-ttl":"x"}', '<<"x">> is not a valid message TTL'),
                                ('{"expires":0}', "0 is not a valid queue expiry"),
                                ('{"overflow":"x"}', '<<"x">> is not a valid overflow value')]:
            self.assertIn(f"Error:\nValidation failed\n\n{why}", self.refused("set_policy", "p", "^q", definition))
        self.assertIn("pattern should be regular expression but is invalid",
                      self.refused("set_policy", "p", "(", '{"max-length":5}'))
        self.assertIn("are not recognised policy settings",
                      self.refused("set_operator_policy", "p", "x", '{"overflow":"drop-head"}'))
        self.assertIn("JSON decoding error", self.refused("set_policy", "p", "x", "{bad"))
        self.assertIn("Parameter does not exist", self.refused("clear_policy", "p"))
        self.assertIn("Virtual host 'nowhere' does not exist", self.refused("list_policies", "-p", "nowhere"))
        self.assertEqual(self.control("list_policies", "-q").strip(), "")

    def test_limits_are_listed_as_they_were_set(self):
        self.addCleanup(self.broker.control, "clear_vhost_limits")
        self.addCleanup(self.broker.control, "clear_user_limits", "guest", "all")
        self.control("set_vhost_limits", '{"max-queues":100}')
        self.assertEqual(self.control("list_vhost_limits"), 'Listing limits for vhost "/" ...\n{"max-queues":100}\n')
        self.assertIn('/\t{"max-queues":100}\n', self.control("list_vhost_limits", "--global"))
        self.control("set_user_limits", "guest", '{"max-connections":100}')
        self.control("set_user_limits", "guest", '{"max-channels":1000}')
        listed = self.control("list_user_limits", "--user", "guest")
        self.assertIn('"max-connections":100', listed)
        self.assertIn('"max-channels":1000', listed)
        self.control("clear_user_limits", "guest", "max-channels")
        self.assertNotIn("max-channels", self.control("list_user_limits", "--user", "guest"))
        for refused in (["set_vhost_limits", '{"foo":1}'], ["set_vhost_limits", '{"max-queues":"x"}'],
                        ["set_user_limits", "guest", '{"max-queues":1}'],
                        ["set_user_limits", "nobody", '{"max-channels":1}']):
            self.refused(*refused)

    def test_queues_are_listed_with_the_columns_that_are_named(self):
        channel = self.channel()
        queue = self.filled(channel, 3)
        self.set_policy("listed", self.pattern(queue), {"max-length": 2})
        self.wait_depth(channel, queue, 2)
        wait_until(lambda: f"{queue}\t2\tlisted\n" in self.control("list_queues", "name", "messages", "policy"),
                   "the queue in the list")
        self.refused("list_queues", "nosuch")


class Limits(Controlled):
    def closed_at_open(self):
        with self.assertRaises((exceptions.AMQPConnectionError, exceptions.ProbableAccessDeniedError)) as refused:
            self.connect()
        return str(refused.exception.args)

    def test_there_are_as_many_queues_as_the_vhost_may_have(self):
        channel = self.channel()
        queue = self.name()
        channel.queue_declare(queue)
        self.addCleanup(self.broker.control, "clear_vhost_limits")
        self.control("set_vhost_limits", '{"max-queues":1}')
        channel.queue_declare(queue)
        with self.assertRaises(exceptions.ChannelClosedByBroker) as closed:
            channel.queue_declare("", exclusive=True)
        self.assertEqual(closed.exception.reply_code, 406)
        self.assertRegex(closed.exception.reply_text, r"PRECONDITION_FAILED - cannot declare queue 'amq\.gen-.*': "
                                                      r"queue limit in vhost '/' \(1\) is reached")
        self.control("clear_vhost_limits")
        self.channel().queue_declare("", exclusive=True)

    def test_there_are_as_many_connections_as_the_vhost_may_have(self):
        first = self.connect()
        self.addCleanup(self.broker.control, "clear_vhost_limits")
        self.control("set_vhost_limits", '{"max-connections":1}')
        self.assertIn("NOT_ALLOWED - access to vhost '/' refused for user 'guest': connection limit (1) is reached",
                      self.closed_at_open().replace("\\", ""))
        first.channel()
        self.control("set_vhost_limits", '{"max-connections":-1}')
        self.connect()

    def test_there_are_as_many_connections_as_the_user_may_have(self):
        self.connect()
        self.addCleanup(self.broker.control, "clear_user_limits", "guest", "all")
        self.control("set_user_limits", "guest", '{"max-connections":1}')
        self.assertIn("NOT_ALLOWED - connection refused for user 'guest': user connection limit (1) is reached",
                      self.closed_at_open().replace("\\", ""))
        self.control("clear_user_limits", "guest", "max-connections")
        self.connect()

    def test_there_are_as_many_channels_as_the_user_may_have(self):
        connection = self.connect()
        self.addCleanup(self.broker.control, "clear_user_limits", "guest", "all")
        self.control("set_user_limits", "guest", '{"max-channels":2}')
        connection.channel()
        connection.channel()
        with self.assertRaises(exceptions.ConnectionClosedByBroker) as closed:
            connection.channel()
        self.assertEqual(closed.exception.reply_code, 530)
        self.assertEqual(closed.exception.reply_text, "NOT_ALLOWED - number of channels opened for user 'guest' has "
                                                      "reached the maximum allowed user limit of (2)")


CONFIG = """
policies:
  - {name: fixed, pattern: "^fixed", definition: {max-length: %d}}
limits:
  vhosts: [{name: /, max_queues: 100}]
"""


@only_wherry
class Lasting(RestartTest, Controlled):
    broker_config = CONFIG % 2

    def setUp(self):
        super().setUp()
        self.broker.start()

    def test_what_was_set_survives_a_kill_and_counts_before_the_first_message(self):
        channel = self.channel()
        channel.queue_declare("q", durable=True)
        self.control("set_policy", "kept", "^q", '{"max-length":2}')
        self.control("set_policy", "gone", "^q", '{"max-length":1}')
        self.control("clear_policy", "gone")
        self.control("set_operator_policy", "bound", "^q", '{"message-ttl":600000}')
        self.control("set_user_limits", "guest", '{"max-channels":7}')
        self.broker.kill()
        self.broker.start()
        listed = self.control("list_queues", "-q", "name", "policy", "operator_policy", "effective_arguments")
        self.assertEqual(listed.splitlines()[1].split("\t")[:3], ["q", "kept", "bound"])
        self.assertEqual(json.loads(listed.splitlines()[1].split("\t")[3]),
                         {"x-max-length": 2, "x-message-ttl": 600000})
        self.assertIn('"max-channels":7', self.control("list_user_limits", "--user", "guest"))
        channel = self.channel()
        self.fill(channel, "q", 5)
        self.wait_depth(channel, "q", 2)

    def test_what_stands_in_the_configuration_is_changed_there_alone(self):
        why = self.refused("clear_policy", "fixed")
        self.assertRegex(why, r"policy 'fixed' stands in the configuration \(.*broker.yaml:3:12\): change it there")
        self.assertIn("stands in the configuration", self.refused("set_policy", "fixed", "", '{"max-length":9}'))
        self.assertIn("stand in the configuration", self.refused("set_vhost_limits", '{"max-queues":5}'))
        channel = self.channel()
        channel.queue_declare("fixed")
        self.fill(channel, "fixed", 5)
        self.wait_depth(channel, "fixed", 2)

        self.broker.config.write_text(CONFIG % 1, encoding="utf-8")
        self.broker.program.process.send_signal(signal.SIGHUP)
        self.wait_depth(channel, "fixed", 1)
        self.broker.config.write_text("policies: [{name: fixed, pattern: \"(\", definition: {max-length: 1}}]\n",
                                      encoding="utf-8")
        self.broker.program.process.send_signal(signal.SIGHUP)
        self.broker.program.wait_error("broker.yaml:1:35: pattern should be regular expression but is invalid")
        self.fill(channel, "fixed", 5)
        self.wait_depth(channel, "fixed", 1)
        self.broker.config.write_text("", encoding="utf-8")
        self.broker.program.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "fixed" not in self.control("list_policies"), "no policy")
        self.control("set_policy", "fixed", "^fixed", '{"max-length":3}')
        self.fill(channel, "fixed", 5)
        self.wait_depth(channel, "fixed", 3)

    def test_the_socket_is_the_operators_and_goes_with_the_broker(self):
        path = self.broker.data / "control.sock"
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with socket.socket(socket.AF_UNIX) as plain:
            plain.settimeout(20)
            plain.connect(str(path))
            plain.sendall(b'{"verb":"nonsense"}\nno JSON\n')
            answers = plain.makefile().read().splitlines()
        self.assertEqual(json.loads(answers[0]), {"ok": False, "error": "this broker knows no verb 'nonsense'"})
        self.assertIs(json.loads(answers[1])["ok"], False)
        self.broker.program.terminate()
        self.assertEqual(self.broker.program.wait_exit(30), 0)
        self.assertFalse(path.exists())
        code, _, why = self.broker.control("list_queues")
        self.assertEqual(code, 69)
        self.assertIn("no broker runs on this data directory", why)


if __name__ == "__main__":
    main()
