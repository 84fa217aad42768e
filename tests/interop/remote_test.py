"""wherryctl --url: its commands over HTTPS from elsewhere, with a user's rights. The tests of wherryctl over the control
socket are done again this way; then what is different: certificates, passwords, tags, files."""

import json
import os
import pathlib
import re
import subprocess
import tempfile

import brokers
import management
import operators_test
import policies_test
from authority import Authority
from brokers import BIN_DIR, TIME_SCALE
from harness import BrokerTest, main, only_wherry, setUpModule, tearDownModule  # noqa: F401


class RemoteBroker(brokers.WherryBroker):
    """It listens for HTTPS, and its wherryctl asks there."""

    def __init__(self, authority, port=0):
        certificate, key = authority.issue("broker", "broker")
        super().__init__(f"""
listen: {{management: "127.0.0.1:0", management_https: "127.0.0.1:{port}"}}
tls: {{certificate: "{certificate}", key: "{key}"}}
users:
  - {{name: guest, password: guest, tags: [administrator], permissions: [{{vhost: /}}]}}
""")
        ready = self.program.wait_line("management_https=")
        self.ports = {name: int(port) for name, port in re.findall(r" (\w+)=\S+?:(\d+)", ready)}
        self.address = f"https://127.0.0.1:{self.ports['management_https']}"
        self.ca = authority.ca

    def control_command(self):
        # The address is no argument that rabbitmqctl has: it stands behind the others.
        return ["sh", "-c", 'program=$1 url=$2 ca=$3; shift 3; exec "$program" "$@" --url "$url" --username guest --cacert "$ca"',
                "sh", BIN_DIR / "wherryctl", self.address, self.ca], {"WHERRY_PASSWORD": "guest", "HOME": "/nonexistent"}


class Elsewhere(BrokerTest):
    @classmethod
    def start_broker(cls):
        cls.authority = Authority()
        cls.addClassCleanup(cls.authority.folder.cleanup)
        return RemoteBroker(cls.authority)

    def ctl(self, *arguments, password="guest", env=None, input=None):
        environment = {name: value for name, value in os.environ.items() if name != "WHERRY_PASSWORD"}
        if password is not None:
            environment["WHERRY_PASSWORD"] = password
        done = subprocess.run([BIN_DIR / "wherryctl", *arguments], env={**environment, **(env or {})}, input=input or "",
                              capture_output=True, text=True, timeout=60 * TIME_SCALE, check=False)
        return done.returncode, done.stdout, done.stderr

    def there(self, *arguments, url=None, user="guest", ca=None, **options):
        return self.ctl(*arguments, "--url", url or self.broker.address, "--username", user, "--cacert", ca or self.broker.ca, **options)


@only_wherry
class Operators(Elsewhere, operators_test.Operators):
    """All of what operators do at the broker's machine."""


@only_wherry
class Policies(Elsewhere, policies_test.Tool):
    """And of policies and limits."""


@only_wherry
class Definitions(Elsewhere):
    def test_a_file_of_this_machine_goes_there(self):
        with tempfile.TemporaryDirectory(prefix="wherry-remote-") as folder:
            path = pathlib.Path(folder) / "definitions.json"
            path.write_text(json.dumps({"queues": [{"name": "from-afar", "vhost": "/", "durable": True, "auto_delete": False,
                                                    "arguments": {}}]}), encoding="utf-8")
            self.assertEqual(self.there("import_definitions", str(path))[0], 0)
            out = pathlib.Path(folder) / "out.json"
            self.assertEqual(self.there("export_definitions", str(out))[0], 0)
            self.assertIn("from-afar", [queue["name"] for queue in json.loads(out.read_text(encoding="utf-8"))["queues"]])
            code, _, err = self.there("import_definitions", str(pathlib.Path(folder) / "missing.json"))
            self.assertEqual(code, 69)
            self.assertIn("cannot read", err)

    def test_no_file_of_the_brokers_machine_is_read(self):
        answer = self.post({"verb": "import_definitions", "file": "/etc/hostname"})
        self.assertEqual(answer[0], 400)
        self.assertIn("not a file's name", answer[1]["reason"])

    def post(self, request, user="guest", password="guest"):
        answer = management.call(self.broker.ports["management"], "POST", "/api/wherry/control", request, user=user, password=password)
        return answer.status, answer.json

    def test_the_endpoint_answers_as_the_api_does(self):
        self.assertEqual(self.post({"verb": "ping"}), (200, {"result": None}))
        self.assertEqual(self.post({"verb": "dance"})[0], 404)
        self.assertEqual(self.post({"vhost": "/"}), (400, {"error": "bad_request", "reason": "the request has no verb"}))
        self.assertEqual(self.post({"verb": "ping"}, password="wrong")[0], 401)


@only_wherry
class Rights(Elsewhere):
    def user(self, name, *tags):
        self.assertEqual(self.there("add_user", name, "pw")[0], 0)
        self.addCleanup(self.there, "delete_user", name)
        self.assertEqual(self.there("set_user_tags", name, *tags)[0], 0)

    def test_who_has_no_tag_may_nothing(self):
        self.user("plain")
        code, _, err = self.there("list_queues", user="plain", password="pw")
        self.assertEqual(code, 69)
        self.assertIn("plain may not do this (Not management user): it needs a tag", err)

    def test_monitoring_sees_and_changes_nothing(self):
        self.user("eyes", "monitoring")
        for command in (["list_queues"], ["list_connections"], ["status"], ["list_vhosts"]):
            self.assertEqual(self.there(*command, user="eyes", password="pw")[0], 0, command)
        for command in (["add_user", "other", "pw"], ["list_users"], ["set_policy", "p", "^q", "{}"], ["close_all_connections", "x"],
                        ["export_definitions", "-"], ["set_vhost_limits", "{}"], ["list_scheduled", "q"], ["environment"]):
            code, _, err = self.there(*command, user="eyes", password="pw")
            self.assertEqual(code, 69, command)
            self.assertIn("eyes may not do this", err)

    def test_without_permission_no_queue_is_touched(self):
        queue = self.name()
        channel = self.channel()
        channel.queue_declare(queue)
        channel.basic_publish("", queue, b"x")
        self.wait_depth(channel, queue, 1)
        self.user("manager", "management")
        self.assertIn("not authorised to access virtual host", self.there("purge_queue", queue, user="manager", password="pw")[2])
        self.there("set_permissions", "manager", "^$", "^$", "^$")
        for command in (["purge_queue", queue], ["delete_queue", queue], ["pause_queue", queue]):
            code, _, err = self.there(*command, user="manager", password="pw")
            self.assertEqual(code, 69)
            self.assertIn("refused for user 'manager'", err)
        self.assertEqual(self.depth(channel, queue), 1)
        self.there("set_permissions", "manager", ".*", ".*", ".*")
        self.assertEqual(self.there("purge_queue", queue, user="manager", password="pw")[0], 0)

    def test_the_log_names_who_did_it(self):
        self.user("root2", "administrator")
        self.assertEqual(self.there("add_vhost", "made-by-root2", user="root2", password="pw")[0], 0)
        self.broker.wait_log("root2 (from 127.0.0.1")
        self.broker.wait_log("added vhost 'made-by-root2'")
        self.assertEqual(self.there("set_policy", "seen", "^q", '{"max-length": 1}', user="root2", password="pw")[0], 0)
        self.addCleanup(self.there, "clear_policy", "seen")
        self.broker.wait_log("'seen' of vhost '/'")


@only_wherry
class Errors(Elsewhere):
    def test_nobody_there(self):
        code, _, err = self.there("list_queues", url="https://127.0.0.1:1")
        self.assertEqual(code, 69)
        self.assertIn("cannot reach https://127.0.0.1:1", err)
        self.assertIn("listen.management_https", err)

    def test_a_certificate_that_nobody_vouches_for(self):
        code, _, err = self.ctl("list_queues", "--url", self.broker.address, "--username", "guest")
        self.assertEqual(code, 69)
        self.assertIn("is not trusted", err)
        self.assertIn("--cacert FILE", err)
        self.assertEqual(self.ctl("list_queues", "--url", self.broker.address, "--username", "guest", "--insecure")[0], 0)

    def test_a_certificate_for_another_host(self):
        code, _, err = self.there("list_queues", url=self.broker.address.replace("127.0.0.1", "localhost"))
        self.assertEqual(code, 69)
        self.assertIn("is not trusted", err)

    def test_no_tls_on_that_port(self):
        code, _, err = self.there("list_queues", url=f"https://127.0.0.1:{self.broker.ports['management']}")
        self.assertEqual(code, 69)
        self.assertIn("no TLS with", err)
        code, _, err = self.there("list_queues", "--timeout", "5", url=f"https://127.0.0.1:{self.broker.port}")
        self.assertEqual(code, 69)

    def test_a_server_that_is_no_broker(self):
        code, _, err = self.there("list_queues", url=self.broker.address + "/proxy")
        self.assertEqual(code, 69)
        self.assertIn("takes no commands of wherryctl", err)

    def test_a_wrong_password(self):
        code, _, err = self.there("list_queues", password="wrong")
        self.assertEqual(code, 69)
        self.assertIn("does not let guest in: wrong user or password", err)

    def test_where_the_password_comes_from(self):
        code, _, err = self.there("ping", password=None)
        self.assertEqual(code, 64)
        self.assertIn("no password: set WHERRY_PASSWORD, or name a file", err)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.write("guest\n")
            file.flush()
            self.assertEqual(self.there("ping", "--password-file", file.name, password=None)[0], 0)
        self.assertEqual(self.there("ping", "--password", "guest", password="wrong")[0], 0)
        self.assertEqual(self.there("ping", "--password-file", "/nonexistent", password=None)[0], 64)

    def test_plain_http_is_for_this_machine(self):
        plain = f"http://127.0.0.1:{self.broker.ports['management']}"
        self.assertEqual(self.ctl("ping", "--url", plain, "--username", "guest")[0], 0)
        code, _, err = self.ctl("ping", "--url", "http://broker.invalid:15672", "--username", "guest")
        self.assertEqual(code, 64)
        self.assertIn("would show the password to the network", err)

    def test_options_that_do_not_fit(self):
        for words, text in ((["list_queues", "--url", "https://h:1"], "--url wants --username"),
                            (["list_queues", "--url", "ftp://h", "--username", "u"], "is no address such as"),
                            (["list_queues", "--url", "https://u:p@h", "--username", "u"], "the user is --username"),
                            (["list_queues", "--url", "https://h:1", "--data-dir", "/tmp", "--username", "u"], "which?"),
                            (["list_queues", "--username", "u"], "say which, with --url"),
                            (["dead-letters", "list", "--url", "https://h:1"], "--url wants --username")):
            code, _, err = self.ctl(*words)
            self.assertEqual((code, text in err), (64, True), (words, err))

    def test_what_reads_files_takes_no_url(self):
        for words in (["store", "verify", "--url", "https://h:1"], ["config", "check", "--url=https://h:1", "x.yaml"]):
            code, _, err = self.ctl(*words)
            self.assertEqual(code, 2)
            self.assertIn("reads files of this machine", err)

    def test_dead_letters_from_elsewhere(self):
        channel = self.channel()
        channel.queue_declare("wherry.dead", durable=True)
        self.addCleanup(self.channel().queue_delete, "wherry.dead")
        channel.basic_publish("", "wherry.dead", b"[[], {}, {}]")
        self.wait_depth(channel, "wherry.dead", 1)
        code, out, err = self.there("dead-letters", "list", "--formatter", "json")
        self.assertEqual((code, len(json.loads(out))), (0, 1), err)
        code, out, _ = self.there("dead-letters", "discard", "--all")
        self.assertEqual((code, out), (0, "discarded: 1\n"))

    def test_waiting_for_a_broker_that_starts(self):
        port = brokers.free_port()
        waiting = self.start([BIN_DIR / "wherryctl", "await_startup", "--url", f"https://127.0.0.1:{port}", "--username", "guest",
                              "--cacert", self.broker.ca, "--password", "guest"])
        broker = RemoteBroker(self.authority, port)
        self.addCleanup(broker.stop)
        self.assertEqual(waiting.wait_exit(30), 0)

    def test_completion_knows_the_options(self):
        script = ('source "$1"; COMP_WORDS=("$2" list_queues "$3"); COMP_CWORD=2; _wherryctl "$2" "$3" list_queues; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        for command_word, wanted in (("--u", {"--url", "--username"}), ("--cac", {"--cacert"}), ("--pass", {"--password", "--password-file"})):
            out = subprocess.run(["bash", "-c", script, "bash", brokers.TOP / "scripts/completion", BIN_DIR / "wherryctl", command_word],
                                 capture_output=True, text=True, timeout=60 * TIME_SCALE, check=True).stdout
            self.assertEqual(set(out.split()), wanted)


if __name__ == "__main__":
    main()
