#!/usr/bin/env python3
"""Exit codes, streams and the result file of the program itself. Needs neither root nor huge pages nor a NIC."""

import concurrent.futures
import glob
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import jsonschema

from program import interrupt_when_said

RESULT_SCHEMA_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../app/result.schema.json")
with open(RESULT_SCHEMA_FILE) as _schema:
    RESULT_SCHEMA = jsonschema.Draft202012Validator(json.load(_schema))
POLLUX = os.environ.get("POLLUX", "pollux")
# A sanitizer slows the program: memory is what is looked at then, not when something happens.
SLOWED = "POLLUX_SLOWED" in os.environ
CONFIGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../drivers-config")


def run(*words, limit=60):
    return subprocess.run([POLLUX, *words], capture_output=True, text=True, timeout=limit, stdin=subprocess.DEVNULL)


def run_for_result(*words, limit=60):
    """What came of it, and the result file."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "result.json")
        result = run(*words, "--json", path, limit=limit)
        if not os.path.exists(path):
            raise AssertionError(f"no result file: {result.stderr}")
        with open(path) as file:
            return result, json.load(file)


class Scripts(unittest.TestCase):
    SERVER = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n"

    def run_script(self, folder, text, *words):
        path = os.path.join(folder, "a.pkt")
        with open(path, "w") as file:
            file.write(text)
        return run("stacktest", "script", path, *words)

    def test_a_script_that_passes_is_0_and_one_that_fails_is_1_with_both_lines_and_a_capture(self):
        with tempfile.TemporaryDirectory() as folder:
            opening = self.SERVER + "+0 < S 0:0(0) win 1000 <mss 1000>\n+0 > S. 0:0(0) ack "
            good = self.run_script(folder, opening + "1 <mss 1460>\n")
            self.assertEqual((good.returncode, good.stdout), (0, "1 scripts: 2 runs passed, 0 failed\n"))
            bad = self.run_script(folder, opening + "2 <mss 1460>\n", "--family", "ipv4", "--captures", folder)
            self.assertEqual(bad.returncode, 1)
            self.assertIn("a.pkt:5:1: ipv4: not the packet that was expected: the acknowledgment is 1", bad.stdout)
            self.assertIn("expected  +0 > S. 0:0(0) ack 2", bad.stdout)
            self.assertIn("actual    0.000000 > S. 0:0(0) ack 1", bad.stdout)
            self.assertGreater(os.path.getsize(os.path.join(folder, "a.ipv4.pcap")), 100)

    def test_what_is_wrong_in_a_script_is_told_with_line_and_column(self):
        with tempfile.TemporaryDirectory() as folder:
            result = self.run_script(folder, self.SERVER + "+0 < X 0:0(0)\n")
            self.assertEqual(result.returncode, 1)
            self.assertIn("a.pkt:4:6: `X` is no TCP flag", result.stdout)


class Usage(unittest.TestCase):
    def test_what_is_wrong_with_the_words_is_2_and_says_what_would_be_right(self):
        cases = {
            (): "Subcommands",
            ("dmeo",): "`demo`",
            ("serve", "htpp"): "`serve http`",
            ("demo", "--duratoin", "1s"): "`--duration`",
            ("demo", "--duration", "1"): "such as 250us",
            ("serve", "http", "--set", "tcp.mssx=1"): "`tcp.mss`",
            ("serve", "http", "--config", "/nonexistent.toml"): "/nonexistent.toml",
            ("serve", "http", "--config", "/tmp"): "is a directory",
            ("serve", "http", "--ip", "224.0.0.1/8"): "a group",
            ("serve", "http", "--ip", "0.0.0.0/0"): "no address of a host",
            ("serve", "http", "--ip", "198.18.1.0/24"): "the address of the network",
            ("serve", "http", "--ip", "198.18.1.255/24"): "the broadcast address",
            ("serve", "http", "--ip", "ff02::1/64"): "a group",
            ("serve", "http", "--ip", "198.18.0.2/24", "--ip", "198.18.0.2/16"): "198.18.0.2 is there twice",
            ("serve", "http", "--root", "/nonexistent"): "/nonexistent",
            ("serve", "http", "--port", "tab:name=plx0"): "did you mean 'tap'",
            ("serve", "http", "--port", "memif:server,no-slash.sock"): "must begin with '/'",
            ("demo", "--port", "tap:name=plx0"): "memif-pair or ring-pair",
            ("stacktest",): "stacktest what? script, replay, sim or tap",
            ("stacktest", "scirpt"): "`stacktest script`",
            ("script",): "`stacktest script`",
            ("stacktest", "script"): "which script?",
            ("stacktest", "script", "x.pkt", "--famliy", "ipv4"): "`--family`",
            ("stacktest", "script", CONFIGS): "no script (*.pkt) below",
            ("stacktest", "sim", "--peer", "hostlie"): "honest, off-path, optimistic",
            ("stacktest", "sim", "--without", "lsos"): "did you mean `loss`?",
            ("stacktest", "sim", "--seeds", "2", "--capture", "x.pcap"): "--capture is for one world",
            ("stacktest", "replay"): "which capture?",
            ("stacktest", "replay", "/no/such.pcap"): "cannot read /no/such.pcap",
            ("stacktest", "tap", "--tests", "/no"): "there is no `/no/run.py`",
            ("demo", "--json", "/nonexistent/result.json"): "cannot write `/nonexistent/result.json`: No such file",
            ("serve", "http", "--port", "ring", "--ip", "198.18.0.2/24", "--json", "/"): "cannot write `/`",
            ("demo", "--cores", "1023"): "may not run on CPU 1023",
            ("serve", "http", "--cores", "1023"): "may not run on CPU 1023",
            ("serve", "http", "--workers", "65"): "1 to 64 workers",
            ("serve", "http", "--port", "tap:queues=3", "--workers", "2"): "3 queues for 2 workers",
        }
        for words, expected in cases.items():
            with self.subTest(words=words):
                result = run(*words)
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertTrue(result.stderr.startswith("pollux: "), result.stderr)
                self.assertIn(expected, result.stderr)
                self.assertEqual(result.stdout, "")

    def test_help_and_version_are_0_and_on_standard_output(self):
        for words in (("--help",), ("--version",), ("demo", "--help"), ("serve", "--help"), ("serve", "http", "--help"), ("--help", "tcp")):
            with self.subTest(words=words):
                result = run(*words)
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                self.assertTrue(result.stdout)

    def test_a_port_that_does_not_exist_is_1(self):
        result = run("serve", "http", "--port", "0000:99:00.0", "--hugepages", "off")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("0000:99:00.0", result.stderr)


CHURN = ("--hugepages", "off", "--rate", "2k/s")


class TimeWait(unittest.TestCase):
    def time_wait(self, *words):
        result, report = run_for_result("timewait", *words, limit=120)
        if words[0] != "model":
            RESULT_SCHEMA.validate(report)
        return result, report

    def test_the_model_is_arithmetic_alone(self):
        result, model = self.time_wait("model", "--rate", "2k/s", "--mode", "addresses=4,msl=2s")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("28,232 ports", result.stdout)
        plain, _, addresses, _, msl, rst = (mode["prediction"] for mode in model["modes"])
        self.assertEqual(plain["exhausted_after_ns"], 14_116_000_000)
        self.assertAlmostEqual(plain["sustained_per_second"], 470.53, places=2)
        self.assertAlmostEqual(addresses["sustained_per_second"], 4 * 470.533, places=2)
        self.assertEqual((msl["sustained_per_second"], msl["exhausted_after_ns"]), (2000, None))
        self.assertEqual(rst["entries"], 0)

    def test_what_is_wrong_is_told(self):
        for words, expected in {
            ("timewait",): "timewait what? model, fill, churn or compare",
            ("timewait", "modle"): "did you mean `timewait model`",
            ("timewait", "model", "--mode", "timestamp"): "`timestamps`",
            ("timewait", "model", "--mode", "plain=3"): "takes no value",
            ("timewait", "fill", "--entries", "5"): "not within 10000",
            ("timewait", "churn", "--mode", "rst=1s"): "takes no value",
            ("timewait", "churn", "--on-exhaust", "reuse"): "--mode timestamps",
            ("timewait", "churn", "--rate", "0"): "not within 0.01",
            ("timewait", "churn", "--addresses", "60000", "--set", "tcp.ports=1024-65535"): "take fewer",
            ("timewait", "churn", "--addresses", "60000", "--destinations", "2", "--set", "tcp.ports=1024-1024"): "65,536 pairs",
            ("timewait", "compare", "--destinations", "2"): "--addresses",
            ("timewait", "compare", "--set", "tcp.time_wait=10s"): "60s and cannot be chosen",
            ("timewait", "fill", "--entries", "1G"): "this machine has",
        }.items():
            with self.subTest(words=words):
                result = run(*words)
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertIn(expected, result.stderr)

    # Within 2 % of the model.
    def assert_as_modelled(self, run):
        model = run["model"]
        if SLOWED:
            self.assertGreater(run["completed"], 0, run["who"])
            return
        self.assertAlmostEqual(run["sustained_per_second"], model["sustained_per_second"], delta=0.02 * model["sustained_per_second"], msg=run["who"])
        if model["exhausted_after_ns"] is None:
            self.assertIsNone(run["exhausted_after_ns"], run["who"])
        else:
            self.assertAlmostEqual(run["exhausted_after_ns"], model["exhausted_after_ns"], delta=0.02 * model["exhausted_after_ns"], msg=run["who"])

    def test_ports_run_out_when_the_model_says_and_come_again_as_it_says(self):
        scenarios = (
            ("--set", "tcp.ports=40000-45999", "--set", "tcp.time_wait=4s"),
            ("--set", "tcp.ports=40000-41999", "--set", "tcp.time_wait=4s", "--addresses", "3"),
            ("--set", "tcp.ports=40000-42999", "--set", "tcp.time_wait=5s", "--destinations", "2"),
            ("--set", "tcp.ports=40000-41599", "--set", "tcp.time_wait=4200ms", "--addresses", "2", "--destinations", "2"),
        )
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for result, report in pool.map(lambda words: self.time_wait("churn", *CHURN, "--mode", "plain", *words), scenarios):
                self.assertEqual(result.returncode, 0, result.stderr)
                (run,) = report["churn"]
                self.assert_as_modelled(run)
                self.assertEqual(list(run["refusals"]), ["port_exhausted"])
                self.assertEqual(run["attempted"], run["completed"] + run["refusals"]["port_exhausted"])
                self.assertEqual(run["time_wait_peak"], run["model"]["tuples"])
                self.assertIn("first failure: connect: no local port", result.stdout)

    def test_every_mode_that_can_lack_ports_does_as_the_model_says(self):
        timestamps = ("--rate", "7k/s", "--set", "tcp.ports=20000-26499", "--set", "tcp.time_wait=6s", "--mode", "timestamps")
        others = ("--rate", "2k/s", "--set", "tcp.ports=40000-41999", "--set", "tcp.time_wait=4s", "--mode", "addresses=3,msl=6s")
        for words in (timestamps, others):
            result, report = self.time_wait("churn", "--hugepages", "off", *words)
            self.assertEqual(result.returncode, 0, result.stderr)
            for run in report["churn"]:
                self.assertIsNotNone(run["model"]["exhausted_after_ns"], run["who"])
                self.assert_as_modelled(run)

    def test_who_waits_for_a_port_is_refused_none(self):
        words = ("--set", "tcp.ports=40000-45999", "--set", "tcp.time_wait=4s", "--on-exhaust", "wait")
        result, report = self.time_wait("churn", *CHURN, "--mode", "plain", *words)
        self.assertEqual(result.returncode, 0, result.stderr)
        (run,) = report["churn"]
        self.assert_as_modelled(run)
        self.assertEqual((run["refusals"], run["attempted"]), ({}, run["completed"]))

    def test_each_mode_does_what_it_is_chosen_for(self):
        words = ("--set", "tcp.ports=40000-42999", "--set", "tcp.time_wait=3s", "--duration", "3500ms")
        result, report = self.time_wait("churn", *CHURN, *words, "--mode", "timestamps,addresses=3,server-closes,msl=1s,rst")
        self.assertEqual(result.returncode, 0, result.stderr)
        runs = report["churn"]
        for run in runs:
            self.assert_as_modelled(run)
            self.assertEqual(run["refusals"], {}, run["who"])
            self.assertGreaterEqual(len(run["series"]), 2)
        timestamps, addresses, server_closes, msl, rst = (run["endpoint"]["time_wait"] for run in runs)
        self.assertGreater(timestamps["reused"], 0 if SLOWED else 1000)
        self.assertEqual(addresses["reused"], 0)
        self.assertGreater(server_closes["reused"], 0)
        self.assertGreater(msl["expired"], 0 if SLOWED else 1000)
        self.assertEqual(rst["entered"], 0)

    def test_the_kernel_and_pollux_run_out_of_ports_in_the_same_second(self):
        words = ("--set", "tcp.ports=40000-40449", "--rate", "300/s", "--duration", "4s", "--mode", "addresses=4")
        result, report = self.time_wait("compare", "--hugepages", "off", *words)
        self.assertEqual(result.returncode, 0, result.stderr)
        runs = {run["who"]: run for run in report["compare"]}
        self.assertEqual(len(runs), 10)
        for who, run in runs.items():
            self.assertGreater(run["completed"], 300, who)
        linux, pollux = (next(run for who, run in runs.items() if who.startswith(start)) for start in
                         ("Linux, no timestamps, tcp_tw_reuse 0, bound 40000", "Pollux, plain"))
        for run in (linux, pollux):
            self.assertEqual(run["model"]["exhausted_after_ns"], 1_500_000_000)
            if not SLOWED:
                self.assertLess(abs(run["exhausted_after_ns"] - 1_500_000_000), 1_000_000_000, run["who"])
        self.assertIn("EADDRNOTAVAIL", linux["refusals"])
        self.assertEqual(linux["time_wait_peak"], 450)
        self.assertGreater(report["kernel_memory"]["tw_sock_bytes"], 200)

    def test_filling_goes_through_handshakes_and_leaves_nothing(self):
        entries = 100_000 if SLOWED else 1_000_000
        result, report = self.time_wait("fill", "--entries", str(entries), "--hugepages", "off", "--seed", "7")
        self.assertEqual(result.returncode, 0, result.stderr + result.stdout)
        self.assertIn(report["verdict"]["state"], ("VALID", "DEGRADED") if SLOWED else ("VALID",), report["verdict"])
        fill, counters = report["fill"], report["time_wait"]
        self.assertGreaterEqual(fill["entries"], entries)
        self.assertEqual(report["tcp"]["active_opens"], report["totals"]["connections_completed"])
        self.assertGreaterEqual(report["totals"]["connections_completed"], entries)
        self.assertEqual(counters["entries"], 0)
        self.assertEqual(counters["entered"], counters["expired"] + counters["reused"])
        self.assertEqual((counters["evicted"], counters["refused_full"]), (0, 0))
        self.assertEqual(report["states"]["TIME-WAIT"], 0)
        self.assertLessEqual(counters["bytes_per_entry"], 40)
        if not SLOWED:  # a small table has whole pages for what is not in it
            self.assertLessEqual(fill["table_bytes"], fill["entries"] * 42.9)  # 4 GiB for a hundred million
        self.assertAlmostEqual(fill["resident_bytes_per_entry"], fill["table_bytes_per_entry"], delta=0.1)  # touched at start
        self.assertGreaterEqual(fill["expiry"]["together"], 0.8 * entries)
        self.assertGreater(fill["expiry"]["connections_meanwhile"], 0)
        for at in ("at_10k", "at_all"):
            self.assertEqual([name for name, ns in fill["costs"][at].items() if ns <= 0], [])
        self.assertEqual([rate["entries"] for rate in fill["rates"]], [n for n in (10_000, 100_000, 1_000_000) if n <= entries])


class Demo(unittest.TestCase):
    def demo(self, *words):
        return run_for_result("demo", "--duration", "500ms", "--hugepages", "off", "--seed", "7", *words)

    def test_a_run_over_either_pair_is_valid_and_accounts_for_everything(self):
        for port in ("memif-pair", "ring-pair"):
            for close in ("server", "client"):
                with self.subTest(port=port, close=close):
                    result, report = self.demo("--port", port, "--close", close)
                    verdict, totals, portless = report["verdict"], report["totals"], report["errors"]["port_exhausted"]
                    self.assertEqual(result.returncode, 0, result.stderr)
                    if close == "client" and portless > 0:  # a fast machine has used all ports after a tenth of a second
                        self.assertEqual((verdict["state"], len(verdict["reasons"])), ("DEGRADED", 1), verdict)
                        self.assertIn(f"{portless} times no local port was free", verdict["reasons"][0])
                    else:
                        self.assertEqual(verdict["state"], "VALID", verdict)
                        self.assertIn("VALID", result.stdout)
                    self.assertGreater(totals["connections_completed"], 100)
                    self.assertEqual(totals["connections_attempted"], totals["connections_completed"] + portless)
                    self.assertEqual(totals["responses"], totals["connections_completed"])
                    latency = report["latency"]
                    for what in ("connect", "first_byte", "response", "service", "close", "lifetime"):
                        self.assertEqual(latency[what]["count"], totals["connections_completed"], what)
                    for whole, parts in (("response", ("connect", "service")), ("lifetime", ("connect", "service", "close"))):
                        self.assertAlmostEqual(latency[whole]["mean"], sum(latency[part]["mean"] for part in parts), delta=5)
                    self.assertEqual(report["config"]["port"], port)
                    self.assertIsNone(report["impairment"])
                    # As it was when the clients had ended and the engine still ran.
                    self.assertEqual(report["states"]["LISTEN"], 1)
                    self.assertEqual(report["states"]["TIME-WAIT"], report["time_wait"]["entries"])
                    self.assertGreater(report["states"]["TIME-WAIT"], 100)

    def test_memory_is_what_was_taken(self):
        memory = self.demo()[1]["memory"]
        self.assertGreater(memory["mbuf_bytes"], 2 * 8192 * 4096)  # two ports, a page for each mbuf
        self.assertLess(memory["mbuf_bytes"], memory["rss_bytes"])
        self.assertLess(memory["bytes_per_idle_connection"], 256)
        self.assertGreater(memory["bytes_per_idle_connection"], 192)

    def test_one_core_is_enough(self):
        core = str(min(os.sched_getaffinity(0)))
        _, report = self.demo("--cores", core, "--body", "100k", "--clients", "8")
        self.assertEqual(report["verdict"]["state"], "VALID", report["verdict"])

    def test_a_pipeline_is_valid_and_has_a_core_for_each_port(self):
        for port in ("memif-pair", "ring-pair"):
            with self.subTest(port=port):
                result, report = self.demo("--port", port, "--pipeline")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(report["verdict"]["state"], "VALID", report["verdict"])
                self.assertEqual(sorted(core["role"] for core in report["cores"]), ["rx/tx", "rx/tx", "stack", "stack"])
                self.assertTrue(report["config"]["pipeline"])

    def test_loss_is_repaired(self):
        result, report = self.demo("--impair", "loss=0.01,reorder=1%,duplicate=1%,corrupt=0.1%,seed=7", "--body", "20k", "--set", "tcp.rto_min=10ms")
        self.assertEqual(report["verdict"]["state"], "VALID", report["verdict"])
        self.assertGreater(report["tcp"]["retransmitted_segments"], 0)
        impairment = report["impairment"]
        self.assertEqual(impairment["seed"], 7)
        self.assertEqual(sorted(impairment["groups"]), ["memif-pair:0", "memif-pair:1"])
        for direction in impairment["groups"].values():
            frames = direction["received"]["frames"]
            self.assertGreater(frames, 500)
            for what in ("dropped", "reordered", "duplicated", "delayed"):  # each of 1 in 100
                self.assertGreater(direction["received"][what], 0, what)
                self.assertLess(direction["received"][what], frames / 25, what)
            self.assertEqual(direction["sent"]["dropped"], 0)
        self.assertEqual(impairment["received"]["dropped"], sum(d["received"]["dropped"] for d in impairment["groups"].values()))

    def test_marks_lower_cwnd_and_lose_nothing(self):  # RFC 3168
        for congestion in ("cubic", "dctcp"):
            with self.subTest(congestion=congestion):
                result, report = self.demo("--impair", "mark=10%,seed=7", "--body", "200k", "--set", "tcp.ecn=on", "--set", f"tcp.congestion={congestion}")
                self.assertEqual(report["verdict"]["state"], "VALID", report["verdict"])
                tcp = report["tcp"]
                self.assertEqual(tcp["ecn_opened"], tcp["opened"])
                self.assertGreater(tcp["ecn_reductions"], 0)
                marked = report["impairment"]["received"]["marked"]
                self.assertGreater(marked, 0)
                self.assertLessEqual(tcp["ce_marks_received"], marked)
                self.assertGreater(tcp["ce_marks_received"], marked / 2)  # a reset at the end takes some along
                self.assertIn("tcp.ecn=on", result.stdout)

    def test_fast_open_is_used_where_it_is_on(self):  # RFC 7413
        _, report = self.demo("--set", "tcp.fastopen=on")
        self.assertEqual(report["verdict"]["state"], "VALID", report["verdict"])
        self.assertGreater(report["tcp"]["fast_open_passive"], 0)
        self.assertEqual(report["tcp"]["fast_open_passive"], report["tcp"]["fast_open_active"])

    def test_a_seed_is_shown_only_where_it_was_used(self):
        for words, seed, impair in ((("--seed", "9"), 9, None), ((), None, None), (("--seed", "9", "--impair", "jitter=1us"), 9, 9),
                                    (("--seed", "9", "--impair", "jitter=1us,seed=8"), 9, 8)):
            with self.subTest(words=words):
                result = run("demo", "--duration", "100ms", "--hugepages", "off", "--json", "-", *words)
                report = json.loads(result.stdout)
                self.assertEqual(report["meta"]["seed"], seed)
                self.assertEqual((report["config"]["impair"] or {}).get("seed"), impair)
                title = next(line for line in result.stderr.splitlines() if line.startswith("pollux demo"))
                self.assertEqual(re.findall("seed ([0-9]+)", title), [str(n) for n in (seed, impair) if n is not None])
        report = json.loads(run("demo", "--duration", "100ms", "--hugepages", "off", "--json", "-", "--impair", "loss=1%").stdout)
        self.assertIsNone(report["meta"]["seed"])
        self.assertIsInstance(report["config"]["impair"]["seed"], int)

    def test_a_result_takes_the_place_of_the_one_before(self):
        with tempfile.NamedTemporaryFile("w+") as file:
            file.write("x" * 100_000)
            file.flush()
            self.assertEqual(run("demo", "--json", file.name, "--cores", "1023").returncode, 2)
            self.assertEqual(os.path.getsize(file.name), 100_000)
            run("demo", "--duration", "100ms", "--hugepages", "off", "--json", file.name)
            file.seek(0)
            self.assertEqual(json.load(file)["schema"], "pollux.result/1")

    def test_without_a_result_there_is_no_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "result.json")
            self.assertEqual(run("demo", "--json", path, "--cores", "1023").returncode, 2)
            self.assertEqual(os.listdir(folder), [])

    def test_a_result_that_cannot_be_written_after_all_is_1(self):
        result = run("demo", "--duration", "100ms", "--hugepages", "off", "--json", "/dev/full")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("cannot write `/dev/full`: No space left", result.stderr)

    def test_a_capture_that_lacks_frames_degrades(self):
        _, report = self.demo("--capture", "/dev/full")
        self.assertEqual(report["verdict"]["state"], "DEGRADED")
        self.assertEqual(len(report["verdict"]["reasons"]), 1, report["verdict"])
        self.assertIn("capture /dev/full lacks frames", report["verdict"]["reasons"][0])

    def test_json_to_standard_output_is_all_that_is_there(self):
        result = run("demo", "--duration", "200ms", "--hugepages", "off", "--json", "-")
        self.assertEqual(json.loads(result.stdout)["schema"], "pollux.result/1")

    def test_an_interrupt_is_130_with_a_result(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "result.json")
            process = subprocess.Popen([POLLUX, "demo", "--hugepages", "off", "--json", path], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                time.sleep(1.5)
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.wait(20), 130)
            finally:
                process.kill()
                process.wait()
            with open(path) as file:
                self.assertEqual(json.load(file)["verdict"]["reasons"], ["interrupted"])


class Serve(unittest.TestCase):
    """Over a port that nobody else is on, so that it needs nothing."""

    def serve(self, *words):
        if "--duration" not in words:
            words = ("--duration", "300ms", *words)
        return run_for_result("serve", "http", "--port", "ring", "--ip", "198.18.0.2/24", "--hugepages", "off", *words)

    def test_a_server_is_listening_until_its_end(self):
        result, report = self.serve()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(report["states"]["LISTEN"], 1)
        self.assertEqual(report["verdict"]["state"], "VALID", report["verdict"])

    def test_whoever_reads_its_words_may_leave_before_it(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "result.json")
            command = [POLLUX, "serve", "http", "--port", "ring", "--ip", "198.18.0.2/24", "--hugepages", "off", "--json", path, "--duration", "1200ms"]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            process.stderr.close()
            self.assertEqual(process.wait(30), 0)
            with open(path) as file:
                self.assertEqual(json.load(file)["verdict"]["state"], "VALID")

    def test_a_result_that_standard_output_does_not_take_is_1(self):
        with open("/dev/full", "w") as full:
            command = [POLLUX, "serve", "http", "--port", "ring", "--ip", "198.18.0.2/24", "--hugepages", "off", "--json", "-", "--duration", "300ms"]
            result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(result.returncode, 1)
        self.assertIn("cannot write `standard output`", result.stderr)

    def test_the_result_shows_what_was_resolved(self):
        core = str(min(os.sched_getaffinity(0)))
        config = self.serve()[1]["config"]
        self.assertEqual((config["listen"], config["workers"]), (80, 1))
        config = self.serve("--listen", "8080", "--cores", f"{core},{core},{core}", "--pipeline")[1]["config"]
        self.assertEqual((config["listen"], config["workers"]), (8080, 2))

    def test_a_line_a_second_goes_to_standard_error(self):
        lines = [line for line in self.serve("--duration", "1200ms")[0].stderr.splitlines() if re.match(r" +[0-9]+ s +[0-9]+/s  open ", line)]
        self.assertEqual(len(lines), 2, lines)
        self.assertNotIn(" s  ", self.serve("--duration", "1200ms", "--quiet")[0].stderr)

    def interrupted(self, *words):
        """The exit code, and the verdict's reasons, of a server that gets a ^C when it listens."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "result.json")
            code = interrupt_when_said([POLLUX, "serve", "echo", "--port", "ring", "--ip", "198.18.0.2/24", "--hugepages", "off",
                                        "--json", path, *words], "listening")
            with open(path) as file:
                return code, json.load(file)["verdict"]["reasons"]

    def test_an_interrupt_is_130_only_where_another_end_was_planned(self):
        self.assertEqual(self.interrupted(), (0, []))
        self.assertEqual(self.interrupted("--duration", "30s"), (130, ["interrupted"]))


class Configs(unittest.TestCase):
    def files(self):
        paths = sorted(glob.glob(os.path.join(CONFIGS, "*.toml")))
        self.assertGreaterEqual(len(paths), 7)
        return paths

    def commands_in(self, path):
        """The subcommands of the command lines in its comments."""
        with open(path) as file:
            return re.findall(r"pollux ((?:serve )?[a-z]+)", "".join(line for line in file if line.startswith("#")))

    def test_every_file_that_comes_with_pollux_is_understood(self):
        for path in self.files():
            for command in set(self.commands_in(path)) or {"serve http"}:
                with self.subTest(path=path, command=command):
                    # Every setting of the file is resolved before those of the line, the last of which is wrong: it is
                    # the first thing to complain of when there is nothing wrong with the file.
                    result = run(*command.split(), "--config", path, "--vlan", "4095")
                    self.assertEqual(result.returncode, 2)
                    self.assertTrue(result.stderr.startswith("pollux: --vlan: "), result.stderr)

    def test_a_mistake_in_a_file_is_told_with_its_line(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "bad.toml")
            with open(path, "w") as file:
                file.write('cores = "0"\nport = "memif:server,no-slash.sock"\n')
            result = run("serve", "http", "--config", path)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn("bad.toml:2: port: memif:server,no-slash.sock", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
