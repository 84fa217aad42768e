"""Kannel, an SMS gateway, on free ports of the loopback and with its files in one folder: the bearerbox, the smsbox that
has the HTTP interface, and its fake SMSC, which takes the messages as a network operator would."""
import re
import urllib.request

from processes import Failed, accepts, free_ports, wait_for

CONFIG = """\
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = {password}
smsbox-port = {boxes}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
log-file = "{folder}/bearerbox.log"
log-level = 1
access-log = "{folder}/access.log"
access-log-format = "%l [id:%I] [ref:%B] [from:%p] [to:%P] [msg:%b]"
store-type = file
store-location = "{folder}/messages.store"

group = smsc
smsc = fake
smsc-id = fake
port = {smsc}
connect-allow-ip = 127.0.0.1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {http}
sendsms-interface = 127.0.0.1
log-file = "{folder}/smsbox.log"
log-level = 1

group = sendsms-user
username = demo
password = {password}
concatenation = true
max-messages = 10

group = sms-service
keyword = default
text = "no service here"
"""


class Kannel:
    def __init__(self, processes, folder):
        self.folder = folder
        self.password = "demo"
        folder.mkdir(parents=True)
        self.admin, boxes, smsc, self.http = free_ports(4)
        config = folder / "kannel.conf"
        config.write_text(
            CONFIG.format(
                folder=folder, admin=self.admin, boxes=boxes, smsc=smsc, http=self.http, password=self.password
            )
        )
        processes.start("kannel-bearerbox", ["/usr/sbin/bearerbox", config])
        wait_for("Kannel's bearerbox", lambda: accepts(boxes) and accepts(smsc))
        processes.start(
            "kannel-fakesmsc", ["/usr/lib/kannel/test/fakesmsc", "-H", "127.0.0.1", "-r", smsc, "-m", "0", "1 2 text -"]
        )
        processes.start("kannel-smsbox", ["/usr/sbin/smsbox", config])
        wait_for("Kannel", self.is_ready)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http}/cgi-bin/sendsms"

    def is_ready(self):
        try:
            url = f"http://127.0.0.1:{self.admin}/status.txt?password={self.password}"
            with urllib.request.urlopen(url, timeout=2) as answer:
                status = answer.read().decode(errors="replace")
        except OSError:
            return False
        return "smsbox:" in status and "(online" in status and accepts(self.http)

    def message_id(self, reference):
        """The id that the gateway gave to the message it delivered under our reference, from its access log."""
        pattern = re.compile(rf"Sent SMS \[id:([0-9a-f-]+)\] \[ref:{re.escape(reference)}\]")

        def look():
            log = self.folder / "access.log"
            match = pattern.search(log.read_text(errors="replace")) if log.exists() else None
            return match and match.group(1)

        try:
            return wait_for(f"SMS {reference} in the gateway's log", look, timeout=10)
        except Failed:
            return None
