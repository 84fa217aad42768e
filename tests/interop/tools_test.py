"""amqp-tools: the command line programs over librabbitmq (C), as Debian packages them."""

import pika

from harness import BrokerTest, main, tearDownModule, wait_until  # noqa: F401


class Tools(BrokerTest):
    def tool(self, name, *arguments, vhost="/", password="guest"):
        return self.start([f"amqp-{name}", f"--url={self.broker.url(vhost=vhost, password=password)}", *arguments])

    def run_tool(self, name, *arguments, code=0, text=None, **options):
        """Runs it to its end, giving it text as standard input; returns its standard output."""
        program = self.tool(name, *arguments, **options)
        if text is not None:
            program.process.stdin.write(text)
            program.process.stdin.close()
        self.assertEqual(program.wait_exit(), code, program.errors)
        self.errors = program.errors
        return "\n".join(program.lines)

    def test_a_message_is_published_and_got(self):
        queue = self.name()
        self.assertEqual(self.run_tool("declare-queue", "-q", queue, "-d"), queue)
        self.run_tool("publish", "-r", queue, "-p", "-b", "hello from C")
        self.assertEqual(self.run_tool("get", "-q", queue), "hello from C")
        # 2 is how amqp-get says that the queue is empty.
        self.run_tool("get", "-q", queue, code=2)
        self.assertEqual(self.run_tool("delete-queue", "-q", queue), "0")
        self.assertEqual(self.run_tool("delete-queue", "-q", queue), "0", "deleting twice is no error")

    def test_properties_and_headers_arrive(self):
        queue = self.name()
        self.run_tool("declare-queue", "-q", queue)
        self.run_tool("publish", "-r", queue, "-p", "-C", "text/plain", "-E", "utf-8", "-t", "answers", "-H",
                      "colour: blue", "-H", "size: 7", "-b", "x")
        method, properties, body = self.get(self.channel(), queue, auto_ack=True)
        self.assertEqual((body, method.exchange, method.routing_key), (b"x", "", queue))
        self.assertEqual(properties.delivery_mode, 2)
        self.assertEqual(properties.content_type, "text/plain")
        self.assertEqual(properties.content_encoding, "utf-8")
        self.assertEqual(properties.reply_to, "answers")
        self.assertEqual(properties.headers, {"colour": "blue", "size": "7"})

    def test_standard_input_is_a_message_or_a_message_a_line(self):
        queue = self.name()
        self.run_tool("declare-queue", "-q", queue)
        self.run_tool("publish", "-r", queue, text="all of\nthis")
        self.run_tool("publish", "-r", queue, "-l", text="one\ntwo\n")
        channel = self.channel()
        bodies = [self.get(channel, queue, auto_ack=True)[2] for _ in range(3)]
        self.assertEqual(bodies, [b"all of\nthis", b"one\n", b"two\n"])

    def test_a_large_body_passes_through(self):
        queue = self.name()
        self.run_tool("declare-queue", "-q", queue)
        text = "0123456789abcdef" * 40000
        self.run_tool("publish", "-r", queue, text=text)
        self.assertEqual(self.run_tool("get", "-q", queue), text)

    def test_consume_stops_after_its_count_and_leaves_the_rest(self):
        queue = self.name()
        self.run_tool("declare-queue", "-q", queue)
        self.run_tool("publish", "-r", queue, "-l", text="a\nb\nc\nd\n")
        self.assertEqual(self.run_tool("consume", "-q", queue, "-p", "1", "-c", "3", "cat"), "a\nb\nc")
        self.assertEqual(self.get(self.channel(), queue)[2], b"d\n")

    def test_consume_without_acknowledgement(self):
        queue = self.name()
        self.run_tool("declare-queue", "-q", queue)
        self.run_tool("publish", "-r", queue, "-l", text="a\nb\n")
        self.assertEqual(self.run_tool("consume", "-q", queue, "-A", "-c", "2", "cat"), "a\nb")

    def test_consume_waits_for_messages(self):
        queue = self.name()
        self.run_tool("declare-queue", "-q", queue)
        consumer = self.tool("consume", "-q", queue, "cat")
        self.wait_consumers(self.channel(), queue, 1)
        for text in ("first\n", "second\n"):
            self.run_tool("publish", "-r", queue, "-b", text)
        consumer.wait_line("second")
        self.assertEqual(consumer.lines, ["first", "second"])
        consumer.kill()
        self.wait_consumers(self.channel(), queue, 0)

    def test_consume_from_an_exchange_through_its_own_queue(self):
        consumer = self.tool("consume", "-e", "amq.topic", "-r", "news.#", "-x", "-c", "1", "cat")
        consumer.wait_error("Server provided queue name: amq.gen-")
        channel = self.channel()
        channel.confirm_delivery()

        def routed():
            try:
                channel.basic_publish("amq.topic", "news.sport", b"goal\n", mandatory=True)
                return True
            except pika.exceptions.UnroutableError:
                return False

        wait_until(routed, "the queue is bound")
        self.assertEqual(consumer.check_success(), ["goal"])

    def test_the_broker_names_a_queue(self):
        self.assertRegex(self.run_tool("declare-queue", "-q", ""), r"^amq\.gen-[A-Za-z0-9_-]{22}$")

    def test_delete_if_empty_and_if_unused(self):
        queue = self.name()
        self.run_tool("declare-queue", "-q", queue)
        self.run_tool("publish", "-r", queue, "-b", "x")
        self.run_tool("delete-queue", "-e", "-q", queue, code=1)
        self.assertIn(f"406, message: PRECONDITION_FAILED - queue '{queue}' in vhost '/' not empty", self.errors)
        self.assertEqual(self.run_tool("delete-queue", "--if-unused", "-q", queue), "1")

    def test_errors_say_what_is_wrong(self):
        queue = self.name()
        self.run_tool("get", "-q", queue, code=1)
        self.assertIn(f"basic.get: server channel error 404, message: NOT_FOUND - no queue '{queue}' in vhost '/'",
                      self.errors)
        self.run_tool("publish", "-e", "nowhere", "-r", "x", "-b", "x", code=1)
        self.assertIn("server channel error 404, message: NOT_FOUND - no exchange 'nowhere' in vhost '/'", self.errors)
        self.run_tool("declare-queue", "-q", queue, "-d")
        self.run_tool("declare-queue", "-q", queue, code=1)
        self.assertIn(f"406, message: PRECONDITION_FAILED - inequivalent arg 'durable' for queue '{queue}' in vhost '/': "
                      "received 'false' but current is 'true'", self.errors)
        self.run_tool("get", "-q", queue, code=1, password="wrong")
        self.assertIn("logging in to AMQP server: server connection error 403, message: ACCESS_REFUSED - Login was "
                      "refused using authentication mechanism PLAIN. For details see the broker logfile.", self.errors)
        self.run_tool("get", "-q", queue, code=1, vhost="mars")
        self.assertIn("server connection error 530, message: NOT_ALLOWED - vhost mars not found", self.errors)


if __name__ == "__main__":
    main()
