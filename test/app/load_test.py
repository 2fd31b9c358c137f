#!/usr/bin/env python3
"""`pollux load --with-server`: generator and server in one process, over a virtual pair. Needs neither root nor a NIC."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
import unittest

from program import interrupt_when_said, wait_for

POLLUX = os.environ.get("POLLUX", "pollux")
SCENARIOS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../app/scenarios")


def load(*words, limit=90):
    """One run. Returns (exit code and streams, result file or None)."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "result.json")
        command = [POLLUX, "load", "--hugepages", "off", "--json", path, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, stdin=subprocess.DEVNULL)
        if not os.path.exists(path):
            return done, None
        with open(path) as file:
            return done, json.load(file)


class LoadTest(unittest.TestCase):
    def with_server(self, *words, codes=(0,)):
        done, result = load("--with-server", *words)
        self.assertIsNotNone(result, done.stderr)
        # On a machine that is busy with other things it may begin late, which is rightly no valid measurement.
        late = any(reason.startswith("connections began late") for reason in result["verdict"]["reasons"])
        if done.returncode != 4 or not late:
            self.assertIn(done.returncode, codes, f"{result['verdict']}\n{done.stderr}")
        self.assert_accounts_close(result)
        return result

    def assert_accounts_close(self, result):
        """Every connection is somewhere, and once."""
        totals, errors = result["totals"], dict(result["errors"])
        errors.pop("bad_requests")
        self.assertEqual(totals["connections_failed"], sum(errors.values()))
        self.assertEqual(totals["connections_attempted"],
                         totals["connections_opened"] + totals["connections_never_opened"] + totals["connections_opening"])
        failed_later = totals["connections_failed"] - totals["connections_never_opened"]
        open_now = totals["connections_open"] - totals["connections_opening"]
        self.assertEqual(totals["connections_opened"], totals["connections_completed"] + failed_later + open_now)

    def assert_all_well(self, result, count=None):
        """All that was attempted completed, and the other side says the same."""
        totals = result["totals"]
        self.assertEqual({k: v for k, v in result["errors"].items() if v}, {})
        self.assertEqual(totals["connections_open"], 0)
        # Some are as it should be: a SYN for a tuple that the other side has not quite done with is challenged.
        self.assertLessEqual(sum(sample["drops"] for sample in result["series"]), sum(result["drops"].values()))
        self.assertGreater(totals["connections_completed"], 0)
        if count is not None:
            self.assertEqual(totals["connections_attempted"], count)
        # Both ends are in the sums of tcp: what one sent the other received.
        self.assertEqual(result["tcp"]["bytes_sent"], result["tcp"]["bytes_received"])


class Loops(LoadTest):
    def test_an_open_loop_opens_exactly_what_its_schedule_says(self):
        for port in ("memif-pair", "ring-pair"):
            with self.subTest(port=port):
                result = self.with_server("--port", port, "--rate", "1k/s", "--duration", "500ms")
                self.assert_all_well(result, 500)
                self.assertEqual((result["pace"]["asked"], result["pace"]["begun"], result["pace"]["missed"]), (500, 500, 0))
                self.assertEqual(result["latency"]["gap_error"]["count"], 499)
                for what in ("connect", "first_byte", "response", "service", "close", "lifetime", "slip"):
                    self.assertEqual(result["latency"][what]["count"], 500, what)
                latency = result["latency"]
                # From the intended start = what it was late + the handshake + request and answer.
                parts = sum(latency[part]["mean"] for part in ("slip", "connect", "service"))
                self.assertAlmostEqual(latency["response"]["mean"], parts, delta=5)
                self.assertGreaterEqual(latency["response"]["max"], latency["service"]["max"])

    def test_the_cores_share_the_schedule(self):
        core = str(min(os.sched_getaffinity(0)))
        result = self.with_server("--cores", core, "--pipeline", "--workers", "3", "--rate", "3k/s", "--duration", "300ms")
        self.assert_all_well(result, 900)

    def test_a_ramp_brings_half_of_the_rate(self):
        self.assert_all_well(self.with_server("--rate", "1k/s", "--ramp", "400ms", "--duration", "600ms"), 200 + 200)

    def test_poisson_arrivals_follow_the_seed(self):
        counts = []
        for seed in ("1", "1", "2"):
            result = self.with_server("--arrivals", "poisson", "--rate", "2k/s", "--duration", "300ms", "--seed", seed)
            counts.append(result["totals"]["connections_attempted"] + result["pace"]["missed"])
        self.assertEqual(counts[0], counts[1])
        self.assertNotEqual(counts[0], counts[2])

    def test_a_closed_loop_has_so_many_open_and_no_schedule(self):
        result = self.with_server("--closed", "8", "--duration", "400ms")
        self.assert_all_well(result)
        self.assertNotIn("pace", result)
        self.assertLessEqual(max(sample["active"] for sample in result["series"]), 8)
        self.assertEqual(result["latency"]["slip"]["count"], 0)

    def test_a_client_of_the_closed_loop_thinks_before_its_next_connection(self):
        begun = time.monotonic()
        result = self.with_server("--closed", "4", "--think", "50ms", "--duration", "400ms")
        self.assert_all_well(result)
        # The first at once, then one each 50 ms at most, for as long as the whole program ran; without, there are thousands.
        self.assertLessEqual(result["totals"]["connections_completed"], 4 * (1 + (time.monotonic() - begun) / 0.05))

    def test_with_fast_open_all_but_the_first_request_go_in_a_syn(self):
        # Few enough that hardly one takes the place of another in TIME-WAIT, which has the usual handshake.
        for scheme, loop in (("http", ("--rate", "500/s")), ("echo", ("--closed", "4", "--think", "10ms"))):
            with self.subTest(scheme=scheme):
                result = self.with_server("--url", f"{scheme}://198.18.0.2/", *loop, "--duration", "300ms", "--set", "tcp.fastopen=on")
                self.assert_all_well(result)
                tcp, completed = result["tcp"], result["totals"]["connections_completed"]
                # Those that begin before the first cookie has come ask, too.
                self.assertGreaterEqual(tcp["fast_open_cookie_reqd"], 1)
                self.assertGreater(tcp["fast_open_active"], completed // 2)
                self.assertEqual(tcp["fast_open_active"], tcp["fast_open_passive"])
                self.assertEqual(tcp["fast_open_passive_fail"], 0)

    def test_the_latencies_of_the_warm_up_are_left_out_and_its_connections_count(self):
        result = self.with_server("--rate", "1k/s", "--duration", "600ms", "--warmup", "400ms")
        self.assert_all_well(result, 600)
        self.assertLess(result["latency"]["lifetime"]["count"], 400)
        self.assertGreater(result["latency"]["lifetime"]["count"], 0)

    def test_held_connections_stay_and_are_no_part_of_the_latencies(self):
        result = self.with_server("--connections", "300", "--rate", "500/s", "--duration", "400ms")
        totals = result["totals"]
        self.assertEqual((totals["connections_attempted"], totals["connections_completed"], totals["connections_open"]), (500, 200, 300))
        self.assertEqual(result["latency"]["response"]["count"], 200)
        self.assertEqual(result["states"]["ESTABLISHED"], 2 * 300)  # both ends
        self.assertGreater(result["memory"]["bytes_per_idle_connection"], 100)

    def test_an_interrupt_drains_and_reports(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "result.json")
            code = interrupt_when_said([POLLUX, "load", "--with-server", "--hugepages", "off", "--duration", "60s", "--json", path],
                                       r"^ +1 s ")
            self.assertEqual(code, 130)
            with open(path) as file:
                result = json.load(file)
            self.assertIn("interrupted", result["verdict"]["reasons"])
            self.assert_accounts_close(result)
            self.assertEqual(result["totals"]["connections_open"], 0)


class Protocols(LoadTest):
    def test_every_protocol_runs_over_both_families(self):
        for scheme in ("http", "echo", "discard", "chargen"):
            with self.subTest(scheme=scheme):
                urls = (f"{scheme}://198.18.0.2", f"{scheme}://[2001:2::2]")
                result = self.with_server(*urls, "--rate", "200/s", "--duration", "200ms", "--size", "5k", "--verify")
                self.assertEqual({k: v for k, v in result["errors"].items() if v}, {})
                totals = result["totals"]
                self.assertEqual((totals["connections_completed"], totals["responses"]), (40, 40))
                moved = {"http": 40 * 1000, "echo": 2 * 40 * 5000, "discard": 40 * 5000, "chargen": 40 * 5000}[scheme]
                self.assertGreaterEqual(totals["bytes_sent"] + totals["bytes_received"], moved)

    def test_requests_follow_one_another_on_a_connection(self):
        for scheme in ("http", "echo"):
            with self.subTest(scheme=scheme):
                # Nothing is opened in the second stage, which ends when all of the first have closed.
                result = self.with_server(f"{scheme}://198.18.0.2", "--requests-per-connection", "7", "--think", "2ms",
                                          "--stage", "rate=50/s,for=200ms", "--stage", "rate=0/s,for=60s",
                                          "--abort-if", "connections_completed >= 10", codes=(3,))
                self.assert_all_well(result, 10)
                self.assertEqual(result["totals"]["responses"], 70)
                # Six pauses lie in the life of each.
                self.assertGreater(result["latency"]["lifetime"]["min"], 6 * 2_000_000)
                self.assertEqual(result["latency"]["response"]["count"], 70)

    def test_whoever_is_to_close_closes(self):
        for close in ("client", "server", "rst"):
            with self.subTest(close=close):
                result = self.with_server("--close", close, "--rate", "400/s", "--duration", "100ms")
                self.assertEqual(result["totals"]["connections_completed"], 40)
                self.assertEqual(result["tcp"]["resets_sent"], 40 + 1 if close == "rst" else 1)  # 1: the probe
                self.assertEqual(result["time_wait"]["entered"], 0 if close == "rst" else 40)

    def test_head_fetches_no_body(self):
        result = self.with_server("--method", "HEAD", "--body", "100k", "--rate", "100/s", "--duration", "100ms")
        self.assert_all_well(result, 10)
        self.assertLess(result["totals"]["bytes_received"], 10 * 1000)

    def test_large_bodies_are_compared(self):
        self.assert_all_well(self.with_server("--body", "3M", "--verify", "--closed", "4", "--duration", "500ms"))

    def test_a_slow_reader_takes_its_time(self):
        result = self.with_server("--body", "50k", "--read-rate", "200k", "--rate", "20/s", "--duration", "250ms")
        self.assert_all_well(result, 5)
        self.assertGreater(result["latency"]["service"]["min"], 200_000_000)

    def test_an_answer_that_says_no_is_a_failure_of_its_own(self):
        result = self.with_server("http://198.18.0.2/nothing", "--rate", "100/s", "--duration", "100ms", codes=(4,))
        self.assertEqual(result["errors"]["status"], 10)
        self.assertIn("HTTP status was 400 or above", " ".join(result["verdict"]["reasons"]))

    def test_several_targets_have_their_turn(self):
        result = self.with_server("http://198.18.0.2:8000-8002/", "http://[2001:2::2]:8000/", "--rate", "400/s", "--duration", "100ms")
        self.assert_all_well(result, 40)
        self.assertEqual(len(result["config"]["url"]), 4)


class TwoProcesses(LoadTest):
    """A server of its own, over a memif pair."""

    def test_what_one_sends_the_other_receives(self):
        with tempfile.TemporaryDirectory() as folder:
            socket, server_json = os.path.join(folder, "pair.sock"), os.path.join(folder, "server.json")
            serve = [POLLUX, "serve", "http", "--port", f"memif:server,{socket}", "--ip", "198.18.0.2/24", "--hugepages", "off", "--json", server_json]
            server = subprocess.Popen(serve, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                wait_for(lambda: os.path.exists(socket) or server.poll() is not None)
                done, ours = load("http://198.18.0.2/", "--port", f"memif:client,{socket}", "--ip", "198.18.0.1/24", "--rate", "1k/s",
                                  "--duration", "500ms", "--requests-per-connection", "2", "--secret-file", os.path.join(folder, "secret"))
                self.assertIsNotNone(ours, done.stderr)
            finally:
                server.send_signal(signal.SIGINT)
                server.wait(20)
            with open(server_json) as file:
                theirs = json.load(file)
        self.assert_accounts_close(ours)
        self.assertEqual((ours["totals"]["connections_completed"], ours["totals"]["responses"]), (500, 1000), done.stderr)
        for totals, others in ((ours["totals"], theirs["totals"]), (theirs["totals"], ours["totals"])):
            self.assertEqual(totals["bytes_sent"], others["bytes_received"])
        self.assertEqual(ours["totals"]["requests"], theirs["totals"]["requests"])


class Ports(LoadTest):
    """A hundred ports, whose tuples are ours for as long as TIME-WAIT lasts."""

    few = ("--close", "client", "--source-ports", "2000-2099")

    def test_the_surplus_fails_at_once_and_exactly(self):
        result = self.with_server(*self.few, "--rate", "1k/s", "--duration", "500ms")
        self.assertEqual(result["errors"]["port_exhausted"], 400)
        self.assertEqual(result["totals"]["connections_completed"], 100)
        self.assertNotEqual(result["verdict"]["state"], "VALID")
        self.assertIn("400 connections failed because no local port was free", " ".join(result["verdict"]["reasons"]))

    def test_more_addresses_are_more_tuples(self):
        result = self.with_server(*self.few, "--source", "198.18.1.0/24+4", "--rate", "1k/s", "--duration", "500ms")
        self.assertEqual((result["errors"]["port_exhausted"], result["totals"]["connections_completed"]), (100, 400))

    def test_waiting_brings_what_the_ports_allow(self):
        result = self.with_server(*self.few, "--on-exhaust", "wait", "--set", "tcp.time_wait=200ms", "--rate", "2k/s", "--duration", "700ms")
        totals = result["totals"]
        self.assertEqual(result["errors"]["port_exhausted"], 0)
        self.assertEqual(totals["connections_attempted"], totals["connections_completed"])
        # In 700 ms each port can be had four times.
        self.assertLessEqual(totals["connections_completed"], 4 * 100)
        self.assertGreater(totals["connections_completed"], 100)
        self.assertIn("waited for a local port", " ".join(result["verdict"]["reasons"]))
        # The wait is part of what whoever meant to connect saw, and no part of the service.
        self.assertGreater(result["latency"]["response"]["max"], 100_000_000)

    def test_reuse_goes_on_where_timestamps_allow_it(self):
        # A tuple can be had again after a second; it is asked for after two and a half.
        result = self.with_server(*self.few, "--on-exhaust", "reuse", "--rate", "40/s", "--duration", "5s")
        self.assert_all_well(result, 200)
        self.assertGreaterEqual(result["time_wait"]["reused"], 100)


class Verdicts(LoadTest):
    def test_a_starved_generator_is_invalid_and_the_reason_names_the_core(self):
        core = str(min(os.sched_getaffinity(0)))
        result = self.with_server("--cores", core, "--rate", "20M/s", "--duration", "500ms", codes=(4,))
        self.assertEqual(result["verdict"]["state"], "INVALID")
        self.assertIn(f"core {core} was busy", " ".join(result["verdict"]["reasons"]))
        self.assertGreater(result["pace"]["missed"], 1_000_000)

    def test_thresholds(self):
        run = ("--with-server", "--closed", "2", "--duration", "100ms")
        done, result = load(*run, "--fail-if", "response.p99 > 1h", "--fail-if", "errors.refused > 0")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([(t["expression"], t["pass"]) for t in result["thresholds"]],
                         [("response.p99 > 1h", True), ("errors.refused > 0", True)])
        done, result = load(*run, "--fail-if", "response.p99 > 1ns")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertEqual(result["thresholds"][0]["value"], result["latency"]["response"]["p99"])
        self.assertIn("threshold   FAILED", done.stdout)

    def test_a_run_is_aborted_when_its_condition_holds(self):
        done, result = load("--with-server", "--rate", "200/s", "--duration", "60s", "--abort-if", "connections_completed > 100")
        # On a busy machine one in a hundred may be late at any end, which makes it INVALID besides.
        self.assertEqual(done.returncode, 4 if result["verdict"]["state"] == "INVALID" else 3, done.stderr)
        self.assertLess(result["meta"]["duration_ns"], 30e9)
        self.assertFalse(result["thresholds"][0]["pass"])

    def test_the_status_lines_tell_what_is_asked_and_achieved(self):
        done, _ = load("--with-server", "--rate", "500/s", "--duration", "1200ms")
        lines = [line for line in done.stderr.splitlines() if re.match(r" +[0-9]+ s +[0-9.k]+/s of 500  open .* cores( [0-9]+%)+$", line)]
        self.assertEqual(len(lines), 2, done.stderr)


class Usage(LoadTest):
    def test_what_is_wrong_with_the_words_is_2(self):
        cases = {
            (): "Give a URL",
            ("http://198.18.0.1/", "--rate", "fast"): "--rate",
            ("http://198.18.0.1/", "--raet", "1k/s"): "`--rate`",
            ("http://example.org/",): "names are not looked up",
            ("198.18.0.1",): "such are http://",
            ("http://198.18.0.1/", "echo://198.18.0.1/"): "another scheme",
            ("http://198.18.0.1/", "--fail-if", "respnse.p99 > 1ms"): "did you mean `response.p99`",
            ("http://198.18.0.1/", "--abort-if", "response.p99"): "is not METRIC > LIMIT",
            ("http://198.18.0.1/", "--stage", "rate=1k/s"): "lacks a rate or a time",
            ("http://198.18.0.1/", "--closed", "0"): "not within 1",
            ("http://198.18.0.1/", "--on-exhaust", "cry"): "not one of fail, wait, reuse",
            ("echo://198.18.0.1/", "--close", "server"): "--close server",
            ("http://198.19.0.1/",): "none of our networks",
            ("--with-server", "--port", "tap:name=plx0"): "memif-pair or ring-pair",
            ("--with-server", "--duration", "1s", "--warmup", "1s"): "leaves nothing of a run",
            ("--with-server", "--method", "POST"): "our server answers GET and HEAD",
        }
        for words, expected in cases.items():
            with self.subTest(words=words):
                done, result = load(*words)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertTrue(done.stderr.startswith("pollux: "), done.stderr)
                self.assertIn(expected, done.stderr)
                self.assertIsNone(result)

    def test_a_misspelt_key_of_a_scenario_is_told_with_its_line(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write('rate = "1k/s"\nclozed = 5\n')
            file.flush()
            done, result = load("--with-server", "--config", file.name)
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"{file.name}:2: clozed: there is no key `clozed`; did you mean `closed`?", done.stderr)
        self.assertIsNone(result)

    def test_a_dry_run_prints_the_plan_and_starts_nothing(self):
        done, result = load("http://198.18.0.1/", "--dry-run", "--close", "client", "--rate", "10k/s", "--duration", "30s")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("tuples 64,512", done.stdout)
        self.assertRegex(done.stdout, r"memory for packets [0-9]+ MB, without huge pages")
        self.assertRegex(done.stdout, r"! tuples run out after 6\.4[0-9]s: --source ADDR/LEN\+5, or --close server, or --set tcp.time_wait=6s")
        self.assertIsNone(result)


class Scenarios(LoadTest):
    """Each of app/scenarios/, at a small scale."""

    small = {
        "short-connections": ("--stage", "rate=0/s->1k/s,for=200ms", "--stage", "rate=1k/s,for=200ms,arrivals=poisson"),
        "keep-alive": ("--rate", "50/s", "--duration", "300ms", "--ramp", "100ms", "--requests-per-connection", "10"),
        "hold-and-open": ("--connections", "2k", "--rate", "500/s", "--duration", "400ms"),
        "large-downloads": ("--body", "2M", "--duration", "400ms"),
        "slow-clients": ("--body", "20k", "--rate", "20/s", "--duration", "300ms"),
    }

    def test_every_scenario_runs(self):
        self.assertEqual(sorted(os.path.splitext(name)[0] for name in os.listdir(SCENARIOS)), sorted(self.small))
        for name, words in self.small.items():
            with self.subTest(scenario=name):
                # Its thresholds are those of a machine with nothing else to do.
                result = self.with_server("--config", os.path.join(SCENARIOS, name + ".toml"), *words, codes=(0, 3))
                self.assertEqual({k: v for k, v in result["errors"].items() if v}, {})
                self.assertEqual(result["totals"]["connections_open"], 2000 if name == "hold-and-open" else 0)
                self.assertGreater(result["totals"]["connections_completed"], 3)

    def test_every_scenario_is_understood_with_a_target(self):
        for name in self.small:
            with self.subTest(scenario=name):
                done, _ = load("http://198.18.0.1/", "--config", os.path.join(SCENARIOS, name + ".toml"), "--dry-run")
                self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
