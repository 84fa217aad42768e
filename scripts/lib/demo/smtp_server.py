#!/usr/bin/env python3
"""A mail server for the demo, on a free port of the loopback: keeps each mail as a file.

usage: smtp_server.py FOLDER [--busy-once ADDRESS]

Prints "listening on smtp://127.0.0.1:PORT" when it is ready, writes each mail to FOLDER/NUMBER-RECIPIENT.eml (whole or
not at all), and ends on SIGTERM. The first mail to the ADDRESS of --busy-once is refused with 451, as a server does that is
busy; the sender is expected to come again. Every refusal is noted in FOLDER/refused.log.
"""
import argparse
import asyncio
import datetime
import signal
import re
from pathlib import Path

from aiosmtpd.smtp import SMTP


class Mailbox:
    def __init__(self, folder, busy_once):
        self.folder, self.busy_once, self.number = folder, set(busy_once), 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.busy_once:
            self.busy_once.remove(address)
            with open(self.folder / "refused.log", "a", encoding="utf-8") as log:
                log.write(f"{datetime.datetime.now().isoformat(timespec='milliseconds')} 451 to {address}\n")
            return "451 4.3.2 busy, please try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.number += 1
        recipient = re.sub(r"[^A-Za-z0-9@._+-]", "_", envelope.rcpt_tos[0])
        path = self.folder / f"{self.number:03}-{recipient}.eml"
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(envelope.original_content)
        unfinished.rename(path)
        return f"250 kept as {path.name}"


async def serve(folder, busy_once):
    folder.mkdir(parents=True, exist_ok=True)
    mailbox = Mailbox(folder, busy_once)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(
        lambda: SMTP(mailbox, hostname="demo.wherry.example", enable_SMTPUTF8=True), "127.0.0.1", 0
    )
    print(f"listening on smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--busy-once", action="append", default=[], metavar="ADDRESS")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.folder, arguments.busy_once))
