"""Plays one case against a broker and writes down everything that the broker sent.

A line is `LABEL: command`; a label is a connection's letter and a channel's number, a1 when none is given. Connections and channels
open by themselves when they are first named, and a channel again after the broker closed it. A command is a method in the notation
(`basic.` and `queue.` may be left out), which waits for its answer if it has one, or one of these:

    publish EXCHANGE KEY BODY [mandatory] [immediate] [PROPERTY=VALUE...]
    expect N [sorted]         the next N events that nobody asked for: deliveries, returns, confirms, closes
    until QUEUE N [consumers] waits until the queue has N messages (consumers); `gone`: until there is no such queue
    settle                    all that is under way on every connection; done at the end of each case as well
    async METHOD ...          does not wait for the answer: it is an event
    sleep MILLISECONDS        for what takes time by its nature
    connect [NAME=VALUE...]   a connection whose handshake is written down: user, password, vhost, channel-max, frame-max, ...
    tcp, bytes B, frame KIND PAYLOAD [end=B] [size=N], header SIZE [class=N] [PROPERTY=VALUE...], body B
    mute                      from now on the broker's close of this channel is not answered
    close, drop               connection.close and its answer; the socket alone

Events of different channels have no order between them, so each channel's are written where they are expected. Confirms are
written one by one and in order, however they were merged. Names that the broker made up become <gen1>, <ctag1> or <reply-to1>, and
are used so in commands; times of today become <now>, the vhost /.
"""

import re
import socket
import struct
import time

import notation
from brokers import TIME_SCALE
from rawclient import HEADER, Closed, RawClient

WAIT = 10.0 * TIME_SCALE
WATCHER = 90  # the channel on which the player looks at queues, so as not to be seen by the case
CONTENT = {"basic.deliver", "basic.return", "basic.get-ok"}
GENERATED = {"gen": re.compile(r"amq\.gen-[\w-]{22}(?![\w-])"), "ctag": re.compile(r"amq\.ctag-[\w-]{22}(?![\w-])"),
             "reply-to": re.compile(r"amq\.rabbitmq\.reply-to\.[\w+/=.-]+")}
LABEL = re.compile(r"([a-z])(\d+)?: ")


def answers_to(method, arguments):
    """The names of the methods that answer it."""
    if arguments.get("nowait") or method.name in ("basic.publish", "basic.recover-async"):
        return ()
    if method.name == "basic.get":
        return ("basic.get-ok", "basic.get-empty")
    answer = method.name + "-ok"
    return (answer,) if answer in notation.METHODS else ()


class Event:
    def __init__(self, channel, name, text):
        self.channel, self.name, self.text = channel, name, text


class Connection:
    """One connection: frames become events, and each close is answered."""

    def __init__(self, player, letter):
        self.player, self.letter = player, letter
        self.client = RawClient(player.broker, timeout=10.0)
        self.open, self.pending, self.content = set(), {}, {}
        self.ended, self.by_hand = False, False
        self.muted = set()  # channels whose close is not answered
        self.frame_max = 131072
        self.confirmed, self.confirmed_tags = {}, set()

    # --- sending
    def send(self, data):
        try:
            self.client.send_bytes(data)
        except OSError:
            pass  # the broker closed it; what it said before is still to be read

    def send_frame(self, kind, channel, payload, size=None, end=b"\xce"):
        self.send(struct.pack(">BHI", kind, channel, len(payload) if size is None else size) + payload + end)

    def send_method(self, channel, name, *ordered, **named):
        ordered = [(value, True) if isinstance(value, bytes) else value for value in ordered]
        self.send_frame(1, channel, notation.encode_method(notation.METHODS[name], ordered, named))

    # --- receiving
    def next_event(self, deadline):
        """The next event, or None when nothing came in time."""
        while True:
            self.client.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                kind, channel, payload = self.client.read_raw_frame()
            except (socket.timeout, TimeoutError):
                return None
            except (Closed, OSError):
                self.ended = True
                return Event(0, "end", "end")
            event = self.on_frame(kind, channel, payload)
            if event:
                return event

    def on_frame(self, kind, channel, payload):
        if kind == 8:
            return None
        if kind == 1:
            name, arguments = notation.decode_method(payload)
            arguments.pop("server-properties", None)
            text = notation.show_method(name, arguments)
            if name in CONTENT:
                self.content[channel] = [name, text, 0, "", b""]
                return None
            return self.on_method(Event(channel, name, text))
        content = self.content.get(channel)
        if content is None:
            return Event(channel, "frame", f"frame {kind} {notation.quote(payload)}")
        if kind == 2:
            content[2], properties = notation.decode_header(payload)
            content[3] = " " + notation.show(properties) if properties else ""
        else:
            content[4] += payload
        if len(content[4]) < content[2]:
            return None
        del self.content[channel]
        return Event(channel, content[0], f"{content[1]}{content[3]} body={show_body(content[4])}")

    def on_method(self, event):
        if event.name == "channel.close" and event.channel not in self.muted:
            self.send_method(event.channel, "channel.close-ok")
            self.open.discard(event.channel)
        elif event.name == "channel.close-ok":
            self.open.discard(event.channel)
        elif event.name == "channel.open-ok":
            self.open.add(event.channel)
        elif event.name == "connection.close-ok":
            self.ended = True
        elif event.name == "connection.close":
            self.send_method(0, "connection.close-ok")
            self.ended = True
            if not self.client_ends():
                event.text += " (and no end)"
        return event

    def client_ends(self):
        self.client.socket.settimeout(WAIT)
        try:
            while True:
                self.client.read_some()
        except (Closed, ConnectionResetError):
            return True
        except OSError:
            return False

    def wait(self, channel, names):
        """The answer, or the close that came in its place; what else came is kept for `expect`."""
        deadline = time.monotonic() + WAIT
        while not self.ended:
            event = self.next_event(deadline)
            if event is None:
                return Event(channel, "timeout", "no answer")
            if event.channel == channel and event.name in (*names, "channel.close") \
                    or event.name in ("connection.close", "end"):
                return event
            self.keep(event)
        return Event(0, "end", "ended before")

    def keep(self, event):
        confirm = re.match(r"basic\.(ack|nack) delivery-tag=(\d+)( multiple)?", event.text)
        known = self.pending.setdefault(event.channel, [])
        if not confirm:
            known.append(event)
            return
        # A merged confirm is one for each.
        last = int(confirm[2])
        first = self.confirmed.get(event.channel, 0) + 1 if confirm[3] else last
        for tag in range(first, last + 1):
            if (event.channel, tag) not in self.confirmed_tags:
                self.confirmed_tags.add((event.channel, tag))
                known.append(Event(event.channel, event.name, f"{event.name} {tag}"))
        while (event.channel, self.confirmed.get(event.channel, 0) + 1) in self.confirmed_tags:
            self.confirmed[event.channel] = self.confirmed.get(event.channel, 0) + 1

    def call(self, channel, name, *ordered, **named):
        self.send_method(channel, name, *ordered, **named)
        return self.wait(channel, answers_to(notation.METHODS[name], named))

    def open_channel(self, channel):
        """The event that came instead of channel.open-ok, if one did."""
        if channel and channel not in self.open and not self.by_hand and not self.ended:
            self.confirmed_tags = {each for each in self.confirmed_tags if each[0] != channel}
            self.confirmed.pop(channel, None)
            event = self.call(channel, "channel.open")
            return event if event.name != "channel.open-ok" else None
        return None

    def handshake(self, **options):
        """As clients do it; the event that ended it."""
        self.send(HEADER)
        start = self.wait(0, ("connection.start",))
        login = b"\0" + options.get("user", b"guest") + b"\0" + options.get("password", b"guest")
        capabilities = [(name, b"t", True) for name in (
            b"authentication_failure_close", b"basic.nack", b"connection.blocked", b"consumer_cancel_notify",
            b"publisher_confirms", b"exchange_exchange_bindings")]
        if b"no" == options.get("capabilities"):
            capabilities = []
        self.send_method(0, "connection.start-ok", [(b"capabilities", b"F", capabilities)],
                         options.get("mechanism", b"PLAIN"), options.get("response", login), b"en_US")
        tune = self.wait(0, ("connection.tune",))
        if tune.name != "connection.tune":
            return [start, tune]
        offered = dict(re.findall(r"([a-z-]+)=(\d+)", tune.text))
        wanted = [options.get(name, offered[name].encode()) for name in ("channel-max", "frame-max")]
        self.frame_max = int(wanted[1]) or 131072
        self.send_method(0, "connection.tune-ok", *wanted, options.get("heartbeat", b"0"))
        vhost = options.get("vhost", self.player.vhost.encode())
        return [start, tune, self.call(0, "connection.open", vhost)]


def show_body(body):
    shown = notation.quote(body)
    return shown if shown[0] in "'\"" else f"'{shown}'"


class Player:
    """Plays cases one after the other in a vhost of its own."""

    def __init__(self, broker, vhost):
        self.broker, self.vhost = broker, vhost
        self.connections, self.names, self.queues, self.exchanges = {}, {}, {}, {}

    def play(self, case):
        """Each step's lines; after the last command's, those of what was left over."""
        self.connections, self.names, self.queues, self.exchanges = {}, {}, {}, {}
        answers = []
        try:
            for step in case.steps:
                self.lines = []
                self.run(step.command)
                answers.append(self.lines)
            self.lines = []
            self.do_settle(None, None, notation.Reader(""))
            return answers, self.lines
        finally:
            self.clean_up()

    # --- what is written down
    def say(self, connection, event):
        label = f"{connection.letter}{event.channel}: "
        self.lines.append(("" if label == "a1: " else label) + self.mask(event.text))

    def mask(self, text):
        for kind, pattern in GENERATED.items():
            for name in pattern.findall(text):
                known = [each for each in self.names.values() if each.startswith(f"<{kind}")]
                self.names.setdefault(name, f"<{kind}{len(known) + 1}>")
        for name, shown in self.names.items():
            text = text.replace(f"='{name}'", "=" + shown).replace(name, shown)
        text = re.sub(r"\bT:(\d+)", lambda t: "T:<now>" if abs(int(t[1]) - time.time()) < 86400 else t[0], text)
        return re.sub(rf"(vhost (\\?'|\\x27)){self.vhost}(?=\2)", r"\1/", text)

    # --- commands
    def run(self, line):
        label = LABEL.match(line)
        letter, number = (label[1], label[2]) if label else ("a", None)
        text = line[label.end():] if label else line
        for name, shown in self.names.items():
            text = text.replace(shown, notation.quote(name.encode()))
        reader = notation.Reader(text)
        command = reader.take(r"[\w.-]+")[0]
        handler = getattr(self, "do_" + command, None)
        channel = int(number) if number else 1
        if command in ("connect", "tcp", "settle", "sleep"):
            return handler(letter, channel, reader)
        connection = self.connection(letter)
        if command not in ("drop", "close", "until", "expect", "bytes", "frame", "channel.open"):
            if trouble := connection.open_channel(channel):
                return self.say(connection, trouble)
        if handler:
            return handler(connection, channel, reader)
        waits = command != "async"
        if not waits:
            reader.skip()
            command = reader.take(r"[\w.-]+")[0]
        name = next((name for name in (command, "basic." + command, "queue." + command) if name in notation.METHODS),
                    None) or reader.fail(f"{command} is no command")
        self.send(connection, channel, notation.METHODS[name], reader, waits)

    def connection(self, letter):
        if letter not in self.connections:
            connection = self.connections[letter] = Connection(self, letter)
            connection.handshake()
        return self.connections[letter]

    def send(self, connection, channel, method, reader, waits):
        ordered, named = reader.arguments()
        bits = {text.decode() for text, quoted in (each for each in ordered if not isinstance(each, list)) if not quoted}
        payload = notation.encode_method(method, ordered, named)
        connection.send_frame(1, channel, payload)
        for kind, known in (("queue", self.queues), ("exchange", self.exchanges)):
            if method.name == kind + ".declare":
                sent = notation.Decoder(payload[6:]).string(">B")
                known[sent] = connection
        answers = answers_to(method, {bit: True for bit in bits})
        if not answers or not waits:
            return
        event = connection.wait(channel, answers)
        if event.name in ("channel.close", "connection.close", "end"):
            self.flush(connection, channel)
        self.say(connection, event)
        if event.name == "queue.declare-ok":
            found = re.search(r"queue=(amq\.gen-\S+)", event.text)
            if found:
                self.queues[found[1].encode()] = connection

    def flush(self, connection, channel):
        for event in in_order(connection.pending.pop(channel, [])):
            self.say(connection, event)

    def do_publish(self, connection, channel, reader):
        ordered, named = reader.arguments()
        flags = {text.decode(): b"1" for text, quoted in ordered if not quoted and text in (b"mandatory", b"immediate")}
        exchange, key, body = (text for text, quoted in ordered if quoted or text.decode() not in flags)
        connection.send_method(channel, "basic.publish", exchange, key, **flags)
        connection.send_frame(2, channel, notation.encode_header(len(body), named))
        step = connection.frame_max - 8
        for at in range(0, len(body), step):
            connection.send_frame(3, channel, body[at:at + step])

    def do_expect(self, connection, channel, reader):
        ordered, _ = reader.arguments()
        count = int(ordered[0][0])
        events = connection.pending.setdefault(channel, [])
        deadline = time.monotonic() + WAIT
        while len(events) < count and not connection.ended:
            event = connection.next_event(deadline)
            if event is None:
                break
            connection.keep(event)
        taken, connection.pending[channel] = in_order(events[:count]), events[count:]
        if len(ordered) > 1:
            taken.sort(key=lambda event: event.text)
        for event in taken:
            self.say(connection, event)
        if len(taken) < count and channel and connection.pending.get(0):
            self.flush(connection, 0)
        elif len(taken) < count:
            self.lines.append("nothing more")

    def do_until(self, connection, channel, reader):
        ordered, _ = reader.arguments()
        queue, wanted = ordered[0][0], ordered[1][0].decode()
        field = "consumer-count" if len(ordered) > 2 else "message-count"
        deadline, seen = time.monotonic() + WAIT, "nothing"
        while time.monotonic() < deadline:
            event = self.watch(connection, queue)
            seen = "gone" if event.name != "queue.declare-ok" else re.search(field + r"=(\d+)", event.text)[1]
            if seen == wanted or connection.ended:
                return
            time.sleep(0.003)
        self.lines.append(f"still {seen}")

    def watch(self, connection, queue):
        """What a passive declaration of the queue says."""
        connection.open_channel(WATCHER)
        return connection.call(WATCHER, "queue.declare", queue, passive=b"1")

    def do_settle(self, _letter, _channel, _reader):
        for connection in self.connections.values():
            if connection.ended or connection.by_hand:
                continue
            # Twice, because what one channel is sent may be the consequence of what another one sent.
            for _ in range(2):
                for queue in list(self.queues):
                    if queue and not connection.ended:
                        self.watch(connection, queue)
                for channel in sorted(connection.open):
                    if channel in connection.open and not connection.ended:
                        event = connection.call(channel, "exchange.declare", b"amq.direct", b"direct", passive=b"1")
                        if event.name != "exchange.declare-ok":
                            connection.keep(event)
        for letter in sorted(self.connections):
            connection = self.connections[letter]
            for channel in sorted(connection.pending):
                if channel != WATCHER:
                    self.flush(connection, channel)

    def do_sleep(self, _letter, _channel, reader):
        time.sleep(int(reader.arguments()[0][0][0]) / 1000)

    def do_connect(self, letter, _channel, reader):
        _, named = reader.arguments()
        connection = self.connections[letter] = Connection(self, letter)
        for event in connection.handshake(**named)[1:]:
            self.say(connection, event)

    def do_tcp(self, letter, _channel, _reader):
        connection = self.connections[letter] = Connection(self, letter)
        connection.by_hand = True

    def do_bytes(self, connection, _channel, reader):
        connection.send(b"".join(text for text, _ in reader.arguments()[0]))

    def do_frame(self, connection, channel, reader):
        ordered, named = reader.arguments()
        (kind, _), (payload, _) = ordered
        size = int(named["size"]) if "size" in named else None
        connection.send_frame(int(kind), channel, payload, size, named.get("end", b"\xce"))

    def do_header(self, connection, channel, reader):
        ordered, named = reader.arguments()
        class_id = int(named.pop("class", 60))
        connection.send_frame(2, channel, notation.encode_header(int(ordered[0][0]), named, class_id))

    def do_body(self, connection, channel, reader):
        connection.send_frame(3, channel, reader.arguments()[0][0][0])

    def do_mute(self, connection, channel, _reader):
        connection.muted.add(channel)

    def do_close(self, connection, _channel, _reader):
        event = connection.call(0, "connection.close", b"200", b"bye")
        if event.name != "connection.close-ok":
            self.say(connection, event)
        connection.ended = True
        connection.client.close()

    def do_drop(self, connection, _channel, _reader):
        connection.ended = True
        connection.client.close()

    # --- afterwards
    def clean_up(self):
        """Everything that the case declared is gone when this returns."""
        for connection in self.connections.values():
            if not connection.ended and not connection.by_hand:
                connection.call(0, "connection.close", b"200", b"bye")
            connection.client.close()
        self.connections, self.names = {}, {}
        connection = self.connection("z")
        for name, known in (("queue.delete", self.queues), ("exchange.delete", self.exchanges)):
            for each in known:
                if each and not each.startswith(b"amq.") or each.startswith(b"amq.gen-"):
                    connection.open_channel(1)
                    connection.call(1, name, each)
        connection.call(0, "connection.close", b"200", b"bye")
        connection.client.close()


def in_order(events):
    """Confirms that stand together in the order of their tags: how brokers merge and mix them is up to their load."""
    result, run = [], []
    for event in [*events, None]:
        if event and event.name in ("basic.ack", "basic.nack"):
            run.append(event)
            continue
        result += sorted(run, key=lambda confirm: int(confirm.text.split()[1]))
        run = []
        if event:
            result.append(event)
    return result
