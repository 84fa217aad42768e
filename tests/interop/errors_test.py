"""Every mistake that a client can make in a method: the code, the text and the scope of the error, as RabbitMQ gives
them. The other channels of the connection, and every other connection, go on."""

from pika import BasicProperties, spec

from harness import KIND, BrokerTest, main, only_wherry, tearDownModule  # noqa: F401
from rawclient import RawClient

CHANNEL, CONNECTION = "channel", "connection"


def declare(queue, arguments=None, **flags):
    options = dict(passive=False, durable=False, exclusive=False, auto_delete=False, nowait=False)
    return spec.Queue.Declare(0, queue, arguments=arguments or {}, **{**options, **flags})


def exchange(name, kind="direct", arguments=None, **flags):
    options = dict(passive=False, durable=False, auto_delete=False, internal=False, nowait=False)
    return spec.Exchange.Declare(0, name, kind, arguments=arguments or {}, **{**options, **flags})


def consume(queue, tag="", arguments=None, **flags):
    options = dict(no_local=False, no_ack=False, exclusive=False, nowait=False)
    return spec.Basic.Consume(0, queue, tag, arguments=arguments or {}, **{**options, **flags})


def content(exchange_name="", key="plain", body=b"x", properties=None, **flags):
    """Sends a publish with its content."""
    return lambda client: client.send_content(1, exchange_name, key, body, properties, **flags)


def locked(queue):
    return (f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{queue}' in vhost '/'. It could be "
            "originally declared on another connection or the exclusive property value does not match that of the "
            "original declaration.")


def inequivalent(argument, what, difference):
    kind, name = what.split()
    return f"PRECONDITION_FAILED - inequivalent arg '{argument}' for {kind} '{name}' in vhost '/': {difference}"


def invalid(argument, queue, reason):
    return f"PRECONDITION_FAILED - invalid arg '{argument}' for queue '{queue}' in vhost '/': {reason}"


# What exists before (see setUpClass): queues plain, empty, full and again (1 message), busy (a consumer), taken (an exclusive consumer),
# mine (exclusive, of another connection), lengthy (x-max-length 5);
# exchanges routes (direct), inner (internal), used (bound to plain).
# name: (what is sent on channel 1, scope, code, text, class id, method id)
ERRORS = {
    # --- not there
    "publish to an unknown exchange":
        (content("void"),
         CHANNEL, 404, "NOT_FOUND - no exchange 'void' in vhost '/'", 60, 40),
    "consume from an unknown queue":
        (consume("void"),
         CHANNEL, 404, "NOT_FOUND - no queue 'void' in vhost '/'", 60, 20),
    "get from an unknown queue":
        (spec.Basic.Get(0, "void"),
         CHANNEL, 404, "NOT_FOUND - no queue 'void' in vhost '/'", 60, 70),
    "passive declare of an unknown queue":
        (declare("void", passive=True),
         CHANNEL, 404, "NOT_FOUND - no queue 'void' in vhost '/'", 50, 10),
    "passive declare of an unknown exchange":
        (exchange("void", passive=True),
         CHANNEL, 404, "NOT_FOUND - no exchange 'void' in vhost '/'", 40, 10),
    "bind an unknown queue":
        (spec.Queue.Bind(0, "void", "routes", "k"),
         CHANNEL, 404, "NOT_FOUND - no queue 'void' in vhost '/'", 50, 20),
    "bind to an unknown exchange":
        (spec.Queue.Bind(0, "plain", "void", "k"),
         CHANNEL, 404, "NOT_FOUND - no exchange 'void' in vhost '/'", 50, 20),
    "purge an unknown queue":
        (spec.Queue.Purge(0, "void"),
         CHANNEL, 404, "NOT_FOUND - no queue 'void' in vhost '/'", 50, 30),
    "bind an unknown destination exchange":
        (spec.Exchange.Bind(0, "void", "routes", "k"),
         CHANNEL, 404, "NOT_FOUND - no exchange 'void' in vhost '/'", 40, 30),
    "bind an unknown source exchange":
        (spec.Exchange.Bind(0, "routes", "void", "k"),
         CHANNEL, 404, "NOT_FOUND - no exchange 'void' in vhost '/'", 40, 30),
    "use the last declared queue when there is none":
        (spec.Basic.Get(0, ""),
         CHANNEL, 404, "NOT_FOUND - no previously declared queue", 60, 70),
    "bind the last declared queue when there is none":
        (spec.Queue.Bind(0, "", "routes", "k"),
         CHANNEL, 404, "NOT_FOUND - no previously declared queue", 50, 20),
    # --- another's exclusive queue
    "declare another's exclusive queue": (declare("mine", exclusive=True), CHANNEL, 405, locked("mine"), 50, 10),
    "passive declare of another's exclusive queue":
        (declare("mine", passive=True),
         CHANNEL, 405, locked("mine"), 50, 10),
    "consume from another's exclusive queue": (consume("mine"), CHANNEL, 405, locked("mine"), 60, 20),
    "get from another's exclusive queue": (spec.Basic.Get(0, "mine"), CHANNEL, 405, locked("mine"), 60, 70),
    "bind another's exclusive queue": (spec.Queue.Bind(0, "mine", "routes", "k"), CHANNEL, 405, locked("mine"), 50, 20),
    "purge another's exclusive queue": (spec.Queue.Purge(0, "mine"), CHANNEL, 405, locked("mine"), 50, 30),
    "delete another's exclusive queue": (spec.Queue.Delete(0, "mine"), CHANNEL, 405, locked("mine"), 50, 40),
    # --- consumers in each other's way
    "consume from a queue with an exclusive consumer":
        (consume("taken"),
         CHANNEL, 403, "ACCESS_REFUSED - queue 'taken' in vhost '/' in exclusive use", 60, 20),
    "consume exclusively from a queue in use":
        (consume("busy", exclusive=True),
         CHANNEL, 403, "ACCESS_REFUSED - queue 'busy' in vhost '/' in exclusive use", 60, 20),
    "use a consumer tag twice":
        ([consume("empty", "tag"), spec.Basic.ConsumeOk, consume("empty", "tag")],
         CONNECTION, 530, "NOT_ALLOWED - attempt to reuse consumer tag 'tag'", 60, 20),
    # --- reserved names and the default exchange
    "declare an exchange with a reserved name":
        (exchange("amq.new"),
         CHANNEL, 403, "ACCESS_REFUSED - exchange name 'amq.new' contains reserved prefix 'amq.*'", 40, 10),
    "declare a queue with a reserved name":
        (declare("amq.new"),
         CHANNEL, 403, "ACCESS_REFUSED - queue name 'amq.new' contains reserved prefix 'amq.*'", 50, 10),
    "delete a predeclared exchange":
        (spec.Exchange.Delete(0, "amq.direct"),
         CHANNEL, 403, "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed", 40, 20),
    "declare the default exchange":
        (exchange(""),
         CHANNEL, 403, "ACCESS_REFUSED - operation not permitted on the default exchange", 40, 10),
    "delete the default exchange":
        (spec.Exchange.Delete(0, ""),
         CHANNEL, 403, "ACCESS_REFUSED - operation not permitted on the default exchange", 40, 20),
    "bind to the default exchange":
        (spec.Queue.Bind(0, "plain", "", "k"),
         CHANNEL, 403, "ACCESS_REFUSED - operation not permitted on the default exchange", 50, 20),
    "unbind from the default exchange":
        (spec.Queue.Unbind(0, "plain", "", "plain"),
         CHANNEL, 403, "ACCESS_REFUSED - operation not permitted on the default exchange", 50, 50),
    "bind the default exchange":
        (spec.Exchange.Bind(0, "", "routes", "k"),
         CHANNEL, 403, "ACCESS_REFUSED - operation not permitted on the default exchange", 40, 30),
    "publish to an internal exchange":
        (content("inner"),
         CHANNEL, 403, "ACCESS_REFUSED - cannot publish to internal exchange 'inner' in vhost '/'", 60, 40),
    # --- declared otherwise before
    "durable otherwise":
        (declare("plain", durable=True),
         CHANNEL, 406, inequivalent("durable", "queue plain", "received 'true' but current is 'false'"), 50, 10),
    "auto-delete otherwise":
        (declare("plain", auto_delete=True),
         CHANNEL, 406, inequivalent("auto_delete", "queue plain", "received 'true' but current is 'false'"), 50, 10),
    "exclusive otherwise": (declare("plain", exclusive=True), CHANNEL, 405, locked("plain"), 50, 10),
    "an argument added":
        (declare("plain", {"x-max-length": 3}),
         CHANNEL, 406, inequivalent("x-max-length", "queue plain", "received the value '3' of type "
         "'signedint' but current is none"), 50, 10),
    "an argument with another number":
        (declare("lengthy", {"x-max-length": 6}),
         CHANNEL, 406, inequivalent("x-max-length", "queue lengthy", "received '6' but current is '5'"), 50, 10),
    "an argument left out":
        (declare("lengthy"),
         CHANNEL, 406, inequivalent("x-max-length", "queue lengthy", "received none but current is the value "
         "'5' of type 'signedint'"), 50, 10),
    "an exchange with another type":
        (exchange("routes", "fanout"),
         CHANNEL, 406, inequivalent("type", "exchange routes", "received 'fanout' but current is 'direct'"), 40, 10),
    "an exchange with another durability":
        (exchange("routes", durable=True),
         CHANNEL, 406, inequivalent("durable", "exchange routes", "received 'true' but current is 'false'"), 40, 10),
    "an exchange with another auto-delete":
        (exchange("routes", auto_delete=True),
         CHANNEL, 406, inequivalent("auto_delete", "exchange routes", "received 'true' but current is "
         "'false'"), 40, 10),
    "an exchange with another internal":
        (exchange("routes", internal=True),
         CHANNEL, 406, inequivalent("internal", "exchange routes", "received 'true' but current is 'false'"), 40, 10),
    "an exchange with another alternate":
        (exchange("routes", arguments={"alternate-exchange": "amq.fanout"}),
         CHANNEL, 406, inequivalent("alternate-exchange", "exchange routes", "received the value 'amq.fanout' "
         "of type 'longstr' but current is none"), 40, 10),
    # --- bad arguments
    "an unknown exchange type":
        (exchange("odd", "magic"),
         CONNECTION, 503, "COMMAND_INVALID - unknown exchange type 'magic'", 40, 10),
    "a negative x-message-ttl":
        (declare("bad", {"x-message-ttl": -1}),
         CHANNEL, 406, invalid("x-message-ttl", "bad", "{value_negative,-1}"), 50, 10),
    "a text x-message-ttl":
        (declare("bad", {"x-message-ttl": "soon"}),
         CHANNEL, 406, invalid("x-message-ttl", "bad", '"expected integer, got longstr"'), 50, 10),
    "an x-expires of zero":
        (declare("bad", {"x-expires": 0}),
         CHANNEL, 406, invalid("x-expires", "bad", "{value_zero,0}"), 50, 10),
    "a negative x-max-length":
        (declare("bad", {"x-max-length": -5}),
         CHANNEL, 406, invalid("x-max-length", "bad", "{value_negative,-5}"), 50, 10),
    "an unknown x-overflow":
        (declare("bad", {"x-overflow": "spill"}),
         CHANNEL, 406, invalid("x-overflow", "bad", "invalid_overflow"), 50, 10),
    "an x-max-priority above 255":
        (declare("bad", {"x-max-priority": 256}),
         CHANNEL, 406, invalid("x-max-priority", "bad", "{max_value_exceeded,256}"), 50, 10),
    "a dead letter routing key without exchange":
        (declare("bad", {"x-dead-letter-routing-key": "k"}),
         CHANNEL, 406, invalid("x-dead-letter-routing-key", "bad", "routing_key_but_no_dlx_defined"), 50, 10),
    "a dead letter exchange that is a number":
        (declare("bad", {"x-dead-letter-exchange": 7}),
         CHANNEL, 406, "PRECONDITION_FAILED - invalid type 'signedint' for arg 'x-dead-letter-exchange' in "
         "queue 'bad' in vhost '/'", 50, 10),
    "an unknown x-queue-type":
        (declare("bad", {"x-queue-type": "magic"}),
         CHANNEL, 406, invalid("x-queue-type", "bad", '"unsupported queue type \'magic\'"'), 50, 10),
    "an unknown x-queue-mode":
        (declare("bad", {"x-queue-mode": "magic"}),
         CHANNEL, 406, invalid("x-queue-mode", "bad", '"unsupported queue mode \'magic\'"'), 50, 10),
    "an x-match of no known kind":
        (spec.Queue.Bind(0, "plain", "amq.headers", "", arguments={"x-match": "most"}),
         CHANNEL, 406, "PRECONDITION_FAILED - Invalid x-match field value <<\"most\">>; expected all, any, "
         "all-with-x, or any-with-x", 50, 20),
    "a priority that is text":
        (consume("plain", arguments={"x-priority": "high"}),
         CHANNEL, 406, invalid("x-priority", "plain", '"expected integer, got longstr"'), 60, 20),
    # --- conditions not met
    "delete a queue that is not empty":
        (spec.Queue.Delete(0, "full", if_empty=True),
         CHANNEL, 406, "PRECONDITION_FAILED - queue 'full' in vhost '/' not empty", 50, 40),
    "delete a queue in use":
        (spec.Queue.Delete(0, "busy", if_unused=True),
         CHANNEL, 406, "PRECONDITION_FAILED - queue 'busy' in vhost '/' in use", 50, 40),
    "delete an exchange in use":
        (spec.Exchange.Delete(0, "used", if_unused=True),
         CHANNEL, 406, "PRECONDITION_FAILED - exchange 'used' in vhost '/' in use", 40, 20),
    # --- deliveries
    "ack of an unknown tag": (spec.Basic.Ack(7), CHANNEL, 406, "PRECONDITION_FAILED - unknown delivery tag 7", 60, 80),
    "ack of multiple up to an unknown tag":
        (spec.Basic.Ack(7, True),
         CHANNEL, 406, "PRECONDITION_FAILED - unknown delivery tag 7", 60, 80),
    "nack of an unknown tag":
        (spec.Basic.Nack(3),
         CHANNEL, 406, "PRECONDITION_FAILED - unknown delivery tag 3", 60, 120),
    "reject of an unknown tag":
        (spec.Basic.Reject(3),
         CHANNEL, 406, "PRECONDITION_FAILED - unknown delivery tag 3", 60, 90),
    "ack of a tag twice":
        ([spec.Basic.Get(0, "again"), spec.Basic.GetOk, "content", spec.Basic.Ack(1), spec.Basic.Ack(1)],
         CHANNEL, 406, "PRECONDITION_FAILED - unknown delivery tag 1", 60, 80),
    "a recover without requeue":
        (spec.Basic.Recover(False),
         CONNECTION, 540, "NOT_IMPLEMENTED - requeue=false", 60, 110),
    "a prefetch size":
        (spec.Basic.Qos(1000, 1, False),
         CONNECTION, 540, "NOT_IMPLEMENTED - prefetch_size!=0 (1000)", 60, 10),
    "a channel.flow that stops": (spec.Channel.Flow(False), CONNECTION, 540, "NOT_IMPLEMENTED - active=false", 20, 20),
    # --- publishing
    "an immediate publish": (content(immediate=True), CONNECTION, 540, "NOT_IMPLEMENTED - immediate=true", 60, 40),
    "an expiration that is no number":
        (content(properties=BasicProperties(expiration="1s")),
         CHANNEL, 406, "PRECONDITION_FAILED - invalid expiration '1s': {leftover_string,\"s\"}", 60, 40),
    "a negative expiration":
        (content(properties=BasicProperties(expiration="-1")),
         CHANNEL, 406, "PRECONDITION_FAILED - invalid expiration '-1': {value_negative,-1}", 60, 40),
    "somebody else's user-id":
        (content(properties=BasicProperties(user_id="root")),
         CHANNEL, 406, "PRECONDITION_FAILED - user_id property set to 'root' but authenticated user was "
         "'guest'", 60, 40),
    "a CC header that is no list":
        (content(properties=BasicProperties(headers={"CC": "plain"})),
         CHANNEL, 406, "PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",longstr}", 60, 40),
    "a tx on a confirming channel":
        ([spec.Confirm.Select(), spec.Confirm.SelectOk, spec.Tx.Select()],
         CHANNEL, 406, "PRECONDITION_FAILED - cannot switch from confirm to tx mode", 90, 10),
    "confirms on a transactional channel":
        ([spec.Tx.Select(), spec.Tx.SelectOk, spec.Confirm.Select()],
         CHANNEL, 406, "PRECONDITION_FAILED - cannot switch from tx to confirm mode", 85, 10),
    "a commit without tx":
        (spec.Tx.Commit(),
         CHANNEL, 406, "PRECONDITION_FAILED - channel is not transactional", 90, 20),
    # --- replies
    "direct replies with acknowledgement":
        (consume("amq.rabbitmq.reply-to"),
         CHANNEL, 406, "PRECONDITION_FAILED - reply consumer cannot acknowledge", 60, 20),
    "direct replies consumed twice":
        ([consume("amq.rabbitmq.reply-to", no_ack=True), spec.Basic.ConsumeOk,
         consume("amq.rabbitmq.reply-to", no_ack=True)],
         CHANNEL, 406, "PRECONDITION_FAILED - reply consumer already set", 60, 20),
    "a direct reply to nobody's consumer":
        (content(properties=BasicProperties(reply_to="amq.rabbitmq.reply-to")),
         CHANNEL, 406, "PRECONDITION_FAILED - fast reply consumer does not exist", 60, 40),
    # --- channels
    "a channel opened twice":
        (spec.Channel.Open(),
         CONNECTION, 504, "CHANNEL_ERROR - second 'channel.open' seen", 20, 10),
    "a method on a channel that is not open":
        (lambda c: c.send(9, spec.Basic.Qos()),
         CONNECTION, 504, "CHANNEL_ERROR - expected 'channel.open'", 60, 10),
    "a connection method on a channel":
        (spec.Connection.Open("/"),
         CONNECTION, 503, "COMMAND_INVALID - unimplemented method", 10, 40),
    "a channel method on channel 0":
        (lambda c: c.send(0, spec.Basic.Qos()),
         CONNECTION, 504, "CHANNEL_ERROR - unexpected method in connection state running", 60, 10),
    "a method of the server's":
        (spec.Basic.GetEmpty(),
         CONNECTION, 503, "COMMAND_INVALID - unimplemented method", 60, 72),
}


# What RabbitMQ has and Wherry refuses as a whole: transactions, and replies without a queue.
NOT_IN_WHERRY = {"a tx on a confirming channel", "confirms on a transactional channel", "a commit without tx",
                 "direct replies with acknowledgement", "direct replies consumed twice",
                 "a direct reply to nobody's consumer"}


class Errors(BrokerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        client = cls.other = RawClient(cls.broker).open().open_channel()
        declares = [declare("plain"), declare("empty"), declare("full"), declare("again"), declare("busy"), declare("taken"),
                    declare("mine", exclusive=True), declare("lengthy", {"x-max-length": 5}),
                    exchange("routes"), exchange("inner", internal=True), exchange("used"),
                    spec.Queue.Bind(0, "plain", "used", "k"), consume("busy"), consume("taken", exclusive=True)]
        for method in declares:
            client.send(1, method)
            client.read_method()
        client.call(1, spec.Confirm.Select(), spec.Confirm.SelectOk)
        for queue in ("full", "again"):
            client.send_content(1, "", queue, b"one")
            client.expect(spec.Basic.Ack)

    @classmethod
    def tearDownClass(cls):
        cls.other.close()
        super().tearDownClass()

    def provoke(self, client, steps):
        """Sends the steps on channel 1, waiting where a step is a kind of method; returns the scope and the error."""
        for step in steps if isinstance(steps, list) else [steps]:
            if isinstance(step, str):
                client.read_content()
            elif isinstance(step, type):
                client.expect(step)
            elif callable(step):
                step(client)
            else:
                client.send(1, step)
        close = client.expect(spec.Channel.Close, spec.Connection.Close)
        return CHANNEL if isinstance(close, spec.Channel.Close) else CONNECTION, close

    def check(self, name):
        if KIND == "wherry" and name in NOT_IN_WHERRY:
            self.skipTest("Wherry has neither transactions nor direct replies")
        steps, scope, code, text, class_id, method_id = ERRORS[name]
        client = RawClient(self.broker).open().open_channel().open_channel(2)
        self.addCleanup(client.close)
        got_scope, close = self.provoke(client, steps)
        self.assertEqual((got_scope, close.reply_code, close.reply_text, close.class_id, close.method_id),
                         (scope, code, text, class_id, method_id))
        if scope == CHANNEL:
            # What was under way on the closed channel is dropped, the other one goes on, the number can be used again.
            client.send(1, spec.Basic.Qos())
            client.send(1, spec.Channel.CloseOk())
            self.assertEqual(client.call(2, declare("plain"), spec.Queue.DeclareOk).queue, "plain")
            client.open_channel(1)
            client.call(0, spec.Connection.Close(200, "bye", 0, 0), spec.Connection.CloseOk)
        else:
            client.send(0, spec.Connection.CloseOk())
            self.assertTrue(client.ends())
        # Others hear nothing of it.
        self.other.call(1, declare("plain"), spec.Queue.DeclareOk)


    @only_wherry
    def test_what_wherry_does_not_have_is_refused_in_so_many_words(self):
        client = RawClient(self.broker).open().open_channel()
        self.addCleanup(client.close)
        close = client.call(1, spec.Tx.Select(), spec.Connection.Close)
        self.assertEqual((close.reply_code, close.reply_text), (540, "NOT_IMPLEMENTED - transactions"))


def add_test(name):
    setattr(Errors, "test_" + name.replace(" ", "_").replace("'", "").replace("-", "_").replace(".", "_"),
            lambda self: self.check(name))


for case in ERRORS:
    add_test(case)


if __name__ == "__main__":
    main()
