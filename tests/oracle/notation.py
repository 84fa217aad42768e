"""AMQP methods, properties and tables as text, both ways, and nothing lost: a value's type on the wire is part of its text.

    queue.declare q durable arguments={x-max-length=5, x-note=l:7}
    basic.deliver consumer-tag=c delivery-tag=1 exchange='' routing-key=q headers={a=t:1} body='one'

A method's arguments may be given in order or by name; those left out are empty. A bit is set by its name. Words need
quotes, single or double, when they are empty or hold anything but letters, digits and ._-/#*$<>@+; in quotes, \\xNN is any byte and
\\ takes the next letter as it is; 'x'*255 repeats. Numbers in tables are of type I unless a letter of RabbitMQ's table types stands before (b:5, l:5, T:5);
texts are S, unless x:; true and false are t, {...} is F, [...] is A, void is V.
"""

import re
import struct

# Class and method: its arguments in order. `t` is a bit, `o` octet, `s` short, `l` long, `q` longlong, `w` short string,
# `S` long string, `F` table; what begins with "reserved" has no place in the text.
_METHODS = """
connection 10
  start 10 o:version-major o:version-minor F:server-properties S:mechanisms S:locales
  start-ok 11 F:client-properties w:mechanism S:response w:locale
  secure 20 S:challenge
  secure-ok 21 S:response
  tune 30 s:channel-max l:frame-max s:heartbeat
  tune-ok 31 s:channel-max l:frame-max s:heartbeat
  open 40 w:virtual-host w:reserved-1 t:reserved-2
  open-ok 41 w:reserved-1
  close 50 s:reply-code w:reply-text s:class s:method
  close-ok 51
  blocked 60 w:reason
  unblocked 61
  update-secret 70 S:new-secret w:reason
  update-secret-ok 71
channel 20
  open 10 w:reserved-1
  open-ok 11 S:reserved-1
  flow 20 t:active
  flow-ok 21 t:active
  close 40 s:reply-code w:reply-text s:class s:method
  close-ok 41
access 30
  request 10 w:realm t:exclusive t:passive t:active t:write t:read
  request-ok 11 s:ticket
exchange 40
  declare 10 s:reserved-1 w:exchange w:type t:passive t:durable t:auto-delete t:internal t:nowait F:arguments
  declare-ok 11
  delete 20 s:reserved-1 w:exchange t:if-unused t:nowait
  delete-ok 21
  bind 30 s:reserved-1 w:destination w:source w:routing-key t:nowait F:arguments
  bind-ok 31
  unbind 40 s:reserved-1 w:destination w:source w:routing-key t:nowait F:arguments
  unbind-ok 51
queue 50
  declare 10 s:reserved-1 w:queue t:passive t:durable t:exclusive t:auto-delete t:nowait F:arguments
  declare-ok 11 w:queue l:message-count l:consumer-count
  bind 20 s:reserved-1 w:queue w:exchange w:routing-key t:nowait F:arguments
  bind-ok 21
  purge 30 s:reserved-1 w:queue t:nowait
  purge-ok 31 l:message-count
  delete 40 s:reserved-1 w:queue t:if-unused t:if-empty t:nowait
  delete-ok 41 l:message-count
  unbind 50 s:reserved-1 w:queue w:exchange w:routing-key F:arguments
  unbind-ok 51
basic 60
  qos 10 l:prefetch-size s:prefetch-count t:global
  qos-ok 11
  consume 20 s:reserved-1 w:queue w:consumer-tag t:no-local t:no-ack t:exclusive t:nowait F:arguments
  consume-ok 21 w:consumer-tag
  cancel 30 w:consumer-tag t:nowait
  cancel-ok 31 w:consumer-tag
  publish 40 s:reserved-1 w:exchange w:routing-key t:mandatory t:immediate
  return 50 s:reply-code w:reply-text w:exchange w:routing-key
  deliver 60 w:consumer-tag q:delivery-tag t:redelivered w:exchange w:routing-key
  get 70 s:reserved-1 w:queue t:no-ack
  get-ok 71 q:delivery-tag t:redelivered w:exchange w:routing-key l:message-count
  get-empty 72 w:reserved-1
  ack 80 q:delivery-tag t:multiple
  reject 90 q:delivery-tag t:requeue
  recover-async 100 t:requeue
  recover 110 t:requeue
  recover-ok 111
  nack 120 q:delivery-tag t:multiple t:requeue
confirm 85
  select 10 t:nowait
  select-ok 11
tx 90
  select 10
  select-ok 11
  commit 20
  commit-ok 21
  rollback 30
  rollback-ok 31
"""

# The content properties, from the highest bit of the flags down.
PROPERTIES = {"content-type": "w", "content-encoding": "w", "headers": "F", "delivery-mode": "o", "priority": "o",
              "correlation-id": "w", "reply-to": "w", "expiration": "w", "message-id": "w", "timestamp": "q", "type": "w",
              "user-id": "w", "app-id": "w", "cluster-id": "w"}

_NUMBERS = {"o": ">B", "s": ">H", "l": ">I", "q": ">Q"}
_FIELD_NUMBERS = {b"b": ">b", b"B": ">B", b"s": ">h", b"u": ">H", b"I": ">i", b"i": ">I", b"l": ">q", b"T": ">Q",
                  b"f": ">f", b"d": ">d"}


class Method:
    def __init__(self, name, class_id, method_id, fields):
        self.name, self.class_id, self.method_id, self.fields = name, class_id, method_id, fields


def _read_methods():
    for line in filter(None, _METHODS.splitlines()):
        name, number, *fields = line.split()
        if not line.startswith(" "):
            class_name, class_id = name, int(number)
        else:
            fields = [(kind, field) for kind, _, field in (each.partition(":") for each in fields)]
            yield Method(f"{class_name}.{name}", class_id, int(number), fields)


METHODS = {method.name: method for method in _read_methods()}
_BY_ID = {(method.class_id, method.method_id): method for method in METHODS.values()}


def method_name(class_id, method_id):
    found = _BY_ID.get((class_id, method_id))
    return found.name if found else f"{class_id}.{method_id}"


# --- text to values --------------------------------------------------------------------------------------------------
# A text is bytes, a table a list of (key, type, value), an array a list of (type, value).
_WORD = re.compile(r"[\w.\-/#*$<>@+]+")
_TYPED = re.compile(r"([bBsuIilTfdDSx]):")
_INTEGER = re.compile(r"[+-]?\d+$")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.)")


def _unescape(text):
    def one(found):
        code = found[1]
        return chr(0xDC00 + int(code[1:], 16)) if code[0] == "x" else code
    # Bytes travel as lone surrogates, so that \xff is that byte and not the letter of that number.
    return b"".join(bytes([ord(c) - 0xDC00]) if 0xDC00 <= ord(c) <= 0xDCFF else c.encode()
                    for c in _ESCAPE.sub(one, text))


class Reader:
    """Takes a line of the notation apart."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def fail(self, what):
        raise ValueError(f"{what} at {self.text[self.at:]!r} of {self.text!r}")

    def skip(self):
        while self.at < len(self.text) and self.text[self.at] in " ,":
            self.at += 1

    def done(self):
        self.skip()
        return self.at >= len(self.text)

    def take(self, pattern):
        found = re.compile(pattern).match(self.text, self.at) if isinstance(pattern, str) \
            else pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def string(self):
        """A quoted or bare text: (bytes, whether it was quoted)."""
        if mark := self.take("['\"]"):
            found = self.take(rf"((?:[^{mark[0]}\\]|\\.)*){mark[0]}") or self.fail("no closing quote")
            data = _unescape(found[1])
            if repeated := self.take(r"\*(\d+)"):
                data *= int(repeated[1])
            return data, True
        found = self.take(_WORD) or self.fail("no value")
        return found[0].encode(), False

    def field(self):
        """A value in a table: (type, value)."""
        if self.take(r"\{"):
            return b"F", self.entries()
        if self.take(r"\["):
            values = []
            self.skip()
            while not self.take(r"\]"):
                values.append(self.field())
                self.skip()
            return b"A", values
        if typed := self.take(_TYPED):
            kind, (text, _) = typed[1].encode(), self.string()
            if kind in b"Sx":
                return kind, text
            return kind, float(text) if kind in b"fd" else text.decode() if kind == b"D" else int(text)
        text, quoted = self.string()
        if not quoted:
            if _INTEGER.match(text.decode()):
                return b"I", int(text)
            if text in (b"true", b"false"):
                return b"t", text == b"true"
            if text == b"void":
                return b"V", None
        return b"S", text

    def entries(self):
        table = []
        self.skip()
        while not self.take(r"\}"):
            key, _ = self.string()
            self.take("=") or self.fail("no = after a key")
            table.append((key, *self.field()))
            self.skip()
        return table

    def arguments(self):
        """What is left of the line: values in order, values by name. A value is bytes or a table."""
        ordered, named = [], {}
        while not self.done():
            name = self.take(r"([a-z][a-z0-9-]*)=")
            value = self.entries() if self.take(r"\{") else self.string()
            if name:
                named[name[1]] = value if isinstance(value, list) else value[0]
            else:
                ordered.append(value)
        return ordered, named


# --- values to bytes -------------------------------------------------------------------------------------------------
def encode_field(kind, value):
    if kind in _FIELD_NUMBERS:
        data = struct.pack(_FIELD_NUMBERS[kind], value)
    elif kind in b"Sx":
        data = struct.pack(">I", len(value)) + value
    elif kind == b"t":
        data = bytes([value])
    elif kind == b"F":
        data = encode_table(value)
    elif kind == b"A":
        inner = b"".join(encode_field(*each) for each in value)
        data = struct.pack(">I", len(inner)) + inner
    elif kind == b"D":
        whole, _, fraction = value.partition(".")
        data = struct.pack(">Bi", len(fraction), int(whole + fraction))
    else:
        data = b""
    return kind + data


def encode_table(table):
    data = b"".join(bytes([len(key)]) + key + encode_field(kind, value) for key, kind, value in table)
    return struct.pack(">I", len(data)) + data


def _encode_value(kind, value):
    if kind in _NUMBERS:
        return struct.pack(_NUMBERS[kind], int(value or 0))
    if kind == "F":
        return encode_table(value or [])
    return (bytes([len(value)]) if kind == "w" else struct.pack(">I", len(value))) + value


def encode_method(method, ordered, named):
    """The payload of a method frame. Words that name a bit set it."""
    bits = {field for kind, field in method.fields if kind == "t"}
    places = [field for kind, field in method.fields if kind != "t" and not field.startswith("reserved")]
    given = dict(named)
    for value in ordered:
        if not isinstance(value, list):
            text, quoted = value
            if not quoted and text.decode() in bits:
                given[text.decode()] = b"1"
                continue
            value = text
        if isinstance(value, list) and "arguments" in places:
            given["arguments"] = value
            continue
        free = [place for place in places if place not in given]
        if not free:
            raise ValueError(f"{method.name} has no place for {value!r}")
        given[free[0]] = value
    if unknown := set(given) - bits - set(places):
        raise ValueError(f"{method.name} has no {', '.join(sorted(unknown))}")
    out, run = struct.pack(">HH", method.class_id, method.method_id), []
    for kind, field in [*method.fields, (None, None)]:
        if kind == "t":
            run.append(bool(given.get(field)))
            continue
        if run:
            out += bytes([sum(bit << place for place, bit in enumerate(run))])
            run = []
        if kind:
            out += _encode_value(kind, given.get(field, b""))
    return out


def encode_header(size, properties, class_id=60):
    """The payload of a content header; properties by name, as arguments() gives them."""
    flags, data = 0, b""
    for place, (name, kind) in enumerate(PROPERTIES.items()):
        if name in properties:
            flags |= 1 << (15 - place)
            data += _encode_value(kind, properties[name])
    return struct.pack(">HHQH", class_id, 0, size, flags) + data


# --- bytes to text ---------------------------------------------------------------------------------------------------
def quote(data):
    """A text as the notation writes it."""
    if len(data) > 40 and len(set(data)) == 1:
        return "'" + quote(data[:1]).strip("'") + f"'*{len(data)}"
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = None
    if text and _WORD.fullmatch(text):
        return text
    if text is not None and text.isprintable():
        mark = '"' if "'" in text and '"' not in text else "'"
        return mark + text.replace("\\", "\\\\").replace(mark, "\\" + mark) + mark
    return "'" + "".join(chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\x{byte:02x}" for byte in data) + "'"


class Decoder:
    unseen = frozenset()  # names that are left out of tables

    def __init__(self, data):
        self.data, self.at, self.dying = data, 0, 0

    def number(self, form):
        value, = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def bytes(self, count):
        self.at += count
        return self.data[self.at - count:self.at]

    def string(self, form):
        return self.bytes(self.number(form))

    def field(self):
        kind = self.bytes(1)
        if kind in _FIELD_NUMBERS:
            value = self.number(_FIELD_NUMBERS[kind])
            return str(value) if kind == b"I" else f"{kind.decode()}:{value}"
        if kind in b"Sx":
            text = quote(self.string(">I"))
            if kind == b"x":
                return "x:" + text
            return f"'{text}'" if _INTEGER.match(text) or text in ("true", "false", "void") else text
        if kind == b"t":
            return "true" if self.number(">B") else "false"
        if kind == b"F":
            return self.table()
        if kind == b"A":
            size = self.number(">I")
            end, values = self.at + size, []
            while self.at < end:
                values.append(self.field())
            return "[" + ", ".join(values) + "]"
        if kind == b"D":
            scale, value = self.number(">B"), self.number(">i")
            return f"D:{value / 10 ** scale:.{scale}f}"
        return "void"

    def table(self):
        size = self.number(">I")
        end, entries = self.at + size, []
        while self.at < end:
            key = quote(self.string(">B"))
            # The order of names in a table means nothing; of x-death's it is not always the same with RabbitMQ either.
            self.dying += key == "x-death"
            entries.append((key, self.field()))
            self.dying -= key == "x-death"
        if self.dying or any(key == "x-death" for key, _ in entries):
            entries.sort(key=lambda entry: entry[0])
        return "{" + ", ".join(f"{key}={value}" for key, value in entries if key not in self.unseen) + "}"

    def value(self, kind):
        if kind in _NUMBERS:
            return str(self.number(_NUMBERS[kind]))
        if kind == "F":
            return self.table()
        return quote(self.string(">B" if kind == "w" else ">I"))


def decode_method(payload):
    """A method frame's payload: (its name, its arguments as {name: text}, bits that are set as name: None)."""
    class_id, method_id = struct.unpack_from(">HH", payload)
    method = _BY_ID.get((class_id, method_id))
    if method is None:
        return f"{class_id}.{method_id}", {"payload": quote(payload[4:])}
    decoder, arguments, bit = Decoder(payload[4:]), {}, 0
    for kind, field in method.fields:
        if kind == "t":
            if bit % 8 == 0:
                flags = decoder.number(">B")
            if flags >> bit % 8 & 1:
                arguments[field] = None
            bit += 1
            continue
        bit = 0
        if field == "reply-text":
            # Erlang's printer breaks long lines.
            value = quote(re.sub(rb"\n +", b"", decoder.string(">B")))
        else:
            value = decoder.value(kind)
        if not field.startswith("reserved"):
            arguments[field] = value
    return method.name, arguments


def decode_header(payload):
    """A content header's payload: (size of the body, properties as {name: text})."""
    decoder = Decoder(payload)
    _, _, size, flags = (decoder.number(form) for form in (">H", ">H", ">Q", ">H"))
    return size, {name: decoder.value(kind) for place, (name, kind) in enumerate(PROPERTIES.items())
                  if flags >> (15 - place) & 1}


def show(arguments):
    return " ".join(name if value is None else f"{name}={value}" for name, value in arguments.items())


def show_method(name, arguments):
    """A method on one line. A close says what it is about by name."""
    if name.endswith(".close"):
        about = int(arguments["class"]), int(arguments["method"])
        place = method_name(*about) if any(about) else "-"
        return f"{name} {arguments['reply-code']} {arguments['reply-text']} {place}"
    return f"{name} {show(arguments)}".rstrip()
