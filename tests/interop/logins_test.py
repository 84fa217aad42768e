"""Failed logins slow the address that they come from, and no other."""

import time

from pika import frame, spec

from brokers import TIME_SCALE
from harness import BrokerTest, main, only_wherry, setUpModule, tearDownModule  # noqa: F401
from rawclient import CAPABILITIES, HEADER, RawClient

GUILTY, OTHER, THIRD = "127.0.0.21", "127.0.0.22", "127.0.0.23"


@only_wherry
class Throttled(BrokerTest):
    def attempt(self, source, password):
        """Logs in from that address: whether it got in, and after how long."""
        client = RawClient(self.broker, source=source)
        self.addCleanup(client.socket.close)
        begin = time.monotonic()
        client.start(password=password)
        answer = client.expect(spec.Connection.Tune, spec.Connection.Close)
        return isinstance(answer, spec.Connection.Tune), time.monotonic() - begin

    def fail(self, source, times):
        for _ in range(times):
            self.assertFalse(self.attempt(source, "wrong")[0])

    def test_guesses_get_a_turn_a_second(self):
        stands = self.channel()
        self.fail(GUILTY, 10)
        took = [self.attempt(GUILTY, "wrong") for _ in range(3)]
        # Never sooner; how much later a busy machine decides.
        self.assertTrue(all(not granted and seconds > 0.9 for granted, seconds in took), took)
        # From elsewhere, meanwhile, and on what stands.
        granted, seconds = self.attempt(OTHER, "guest")
        self.assertTrue(granted and seconds < 0.9 * TIME_SCALE, seconds)
        stands.queue_declare(self.name())

    def test_who_is_right_gets_in_from_there_and_clears_it(self):
        self.fail(THIRD, 10)
        granted, seconds = self.attempt(THIRD, "guest")
        self.assertTrue(granted and seconds > 0.9, seconds)
        granted, seconds = self.attempt(THIRD, "guest")
        self.assertTrue(granted and seconds < 0.9 * TIME_SCALE, seconds)

    def test_the_greeting_and_the_login_in_one_piece_wait_too(self):
        source = "127.0.0.24"
        self.fail(source, 10)
        client = RawClient(self.broker, source=source)
        self.addCleanup(client.socket.close)
        begin = time.monotonic()
        start_ok = spec.Connection.StartOk({"capabilities": CAPABILITIES}, "PLAIN", "\0guest\0wrong", "en_US")
        client.send_bytes(HEADER + frame.Method(0, start_ok).marshal())
        client.expect(spec.Connection.Start)
        client.expect(spec.Connection.Close)
        self.assertGreater(time.monotonic() - begin, 0.9)

    def test_many_at_once_share_the_turns(self):
        source = "127.0.0.25"
        self.fail(source, 10)
        clients = [RawClient(self.broker, source=source) for _ in range(4)]
        begin = time.monotonic()
        for client in clients:
            self.addCleanup(client.socket.close)
            client.start(password="wrong")
        ended = []
        for client in clients:
            client.expect(spec.Connection.Close)
            ended.append(time.monotonic() - begin)
        self.assertGreater(ended[-1], 3.5)


if __name__ == "__main__":
    main()
