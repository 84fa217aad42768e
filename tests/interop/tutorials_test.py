"""The programs of RabbitMQ's tutorials 1 to 6, each a process of its own as a reader of the tutorials runs them."""

import unittest

from harness import BrokerTest, main, tearDownModule, wait_until  # noqa: F401


class Tutorials(BrokerTest):
    def consumer(self, program, *arguments, **options):
        started = self.start_python(f"tutorials/{program}.py", *arguments, **options)
        started.wait_line("waiting")
        return started

    def run_program(self, program, *arguments, **options):
        return self.start_python(f"tutorials/{program}.py", *arguments, **options).check_success()

    def test_1_hello_world_reaches_a_receiver_that_was_there_first(self):
        receiver = self.consumer("hello_receive")
        self.assertEqual(self.run_program("hello_send"), ["sent Hello World!"])
        receiver.wait_line("received Hello World!")
        receiver.terminate()
        receiver.check_success()

    def test_1_hello_world_waits_for_a_receiver_that_comes_later(self):
        self.run_program("hello_send", "early")
        self.run_program("hello_send", "bird")
        receiver = self.consumer("hello_receive")
        receiver.wait_line("received", 2)
        self.assertEqual(receiver.lines, ["waiting", "received early", "received bird"])

    def test_2_whoever_has_the_long_task_gets_no_other(self):
        self.fair_dispatch({})

    def test_2_fair_dispatch_from_a_quorum_queue(self):
        self.channel().queue_delete("task_queue")
        self.fair_dispatch({"TASK_QUEUE_TYPE": "quorum"})
        self.channel().queue_delete("task_queue")

    def fair_dispatch(self, env):
        workers = [self.consumer("worker", env=env) for _ in range(2)]
        self.wait_consumers(self.channel(), "task_queue", 2)
        for number, units in enumerate((1, 5, 2, 3, 1), 1):
            self.run_program("new_task", f"task{number}{'.' * units}", env=env)

        def holding(text):
            return [worker for worker in workers if any("started" in line and text in line for line in worker.lines)]

        long_task = "task2....."
        busy = wait_until(lambda: holding(long_task), "a worker has the long task")[0]
        other = next(worker for worker in workers if worker is not busy)
        for task in ("task1.", "task3..", "task4...", "task5."):
            other.wait_line(f"started {task} ")
            other.say("finish")
            other.wait_line(f"done {task}")
        self.assertEqual(busy.lines, ["waiting", f"started {long_task} units=5 redelivered=False"])
        busy.say("finish")
        busy.wait_line(f"done {long_task}")
        # Both are free again: the next two tasks go to one each.
        for name in ("task6.", "task7."):
            self.run_program("new_task", name, env=env)
        for worker in workers:
            worker.wait_line("started", 2 if worker is busy else 5)
            worker.say("finish")
            worker.wait_line("done", 2 if worker is busy else 5)

    def test_2_the_task_of_a_killed_worker_goes_to_another(self):
        first = self.consumer("worker")
        self.run_program("new_task", "precious.")
        first.wait_line("started precious. units=1 redelivered=False")
        second = self.consumer("worker")
        first.kill()
        second.wait_line("started precious. units=1 redelivered=True")
        second.say("finish")
        second.wait_line("done precious.")
        self.wait_depth(self.channel(), "task_queue", 0)

    def test_3_a_log_line_reaches_every_listener(self):
        self.run_program("emit_log", "nobody listens")
        listeners = [self.consumer("receive_logs") for _ in range(4)]
        queues = {listener.lines[0].split()[1] for listener in listeners}
        self.assertEqual(len(queues), 4)
        for queue in queues:
            self.assertRegex(queue, r"^amq\.gen-[A-Za-z0-9_-]{22}$")
        self.run_program("emit_log", "to", "all")
        self.run_program("emit_log")
        for listener in listeners:
            listener.wait_line("received", 2)
            self.assertEqual(listener.lines[1:], ["received to all", "received info: Hello World!"])

    def test_4_a_listener_gets_the_severities_it_asked_for(self):
        to_file = self.consumer("receive_logs_direct", "warning", "error")
        to_screen = self.consumer("receive_logs_direct", "info", "warning", "error")
        for severity in ("debug", "info", "error", "warning"):
            self.run_program("emit_log_direct", severity, "text", "of", severity)
        to_screen.wait_line("received warning")
        to_file.wait_line("received warning")
        self.assertEqual(to_screen.lines[1:], ["received info:text of info", "received error:text of error",
                                               "received warning:text of warning"])
        self.assertEqual(to_file.lines[1:], ["received error:text of error", "received warning:text of warning"])

    def test_5_a_listener_gets_the_topics_its_patterns_match(self):
        everything = self.consumer("receive_logs_topic", "#")
        kernel = self.consumer("receive_logs_topic", "kern.*")
        critical = self.consumer("receive_logs_topic", "*.critical")
        both = self.consumer("receive_logs_topic", "kern.*", "*.critical")
        keys = ["kern.critical", "kern.info", "cron.critical", "cron.info", "kern", "kern.a.critical", "end.critical",
                "kern.end"]
        for key in keys:
            self.run_program("emit_log_topic", key, "x")
        for listener, expected in (
                (everything, keys),
                (kernel, ["kern.critical", "kern.info", "kern.end"]),
                (critical, ["kern.critical", "cron.critical", "end.critical"]),
                (both, ["kern.critical", "kern.info", "cron.critical", "end.critical", "kern.end"])):
            listener.wait_line(f"received {expected[-1]}:")
            self.assertEqual(listener.lines[1:], [f"received {key}:x" for key in expected])

    def test_6_a_remote_call_gets_its_answer(self):
        servers = [self.consumer("rpc_server") for _ in range(2)]
        self.assertEqual(self.run_program("rpc_client", "0", "1", "10", "30"),
                         ["fib(0) = 0", "fib(1) = 1", "fib(10) = 55", "fib(30) = 832040"])
        clients = [self.start_python("tutorials/rpc_client.py", *(str(n) for n in range(20, 40))) for _ in range(4)]
        answers = [client.check_success() for client in clients]
        self.assertEqual(answers[0][-1], "fib(39) = 63245986")
        self.assertEqual(answers, answers[:1] * 4)
        for server in servers:
            self.assertGreater(len(server.lines), 1, "both servers were asked")


class OldSpelling(BrokerTest):
    def consumer(self, *arguments):
        started = self.start_python("tutorials/old/tutorial.py", *arguments)
        started.wait_line("waiting")
        return started

    def run_program(self, *arguments):
        return self.start_python("tutorials/old/tutorial.py", *arguments).check_success()

    def test_hello_world(self):
        receiver = self.consumer("receive")
        self.run_program("send", "Hello", "World!")
        receiver.wait_line("received Hello World!")

    def test_work_queue(self):
        workers = [self.consumer("worker") for _ in range(2)]
        for task in ("a", "b", "c"):
            self.run_program("new_task", task)
        first = wait_until(lambda: [w for w in workers if "started a" in w.lines], "a starts")[0]
        second = next(worker for worker in workers if worker is not first)
        second.wait_line("started b")
        second.say("finish")
        second.wait_line("started c")
        self.assertEqual(first.lines, ["waiting", "started a"])
        for worker in workers:
            worker.say("finish")
            worker.wait_line("done c" if worker is second else "done a")

    def test_publish_and_subscribe(self):
        listeners = [self.consumer("listen", "logs", "fanout") for _ in range(3)]
        self.run_program("emit", "logs", "fanout", "", "hello")
        for listener in listeners:
            listener.wait_line("received :hello")

    def test_routing(self):
        errors = self.consumer("listen", "direct_logs", "direct", "error")
        self.run_program("emit", "direct_logs", "direct", "info", "fine")
        self.run_program("emit", "direct_logs", "direct", "error", "bad")
        errors.wait_line("received error:bad")
        self.assertEqual(len(errors.lines), 2)

    def test_topics(self):
        kernel = self.consumer("listen", "topic_logs", "topic", "kern.#")
        for key in ("cron.info", "kern", "kern.a.b", "kern.end"):
            self.run_program("emit", "topic_logs", "topic", key, "x")
        kernel.wait_line("received kern.end:x")
        self.assertEqual(kernel.lines[1:], ["received kern:x", "received kern.a.b:x", "received kern.end:x"])

    def test_remote_call(self):
        self.consumer("rpc_server")
        self.assertEqual(self.run_program("rpc_client", "12"), ["square(12) = 144"])


if __name__ == "__main__":
    main()
