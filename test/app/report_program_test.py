#!/usr/bin/env python3
"""`pollux report` and `pollux compare` on the results of real runs. Needs neither root nor huge pages nor a NIC."""

import base64
import copy
import csv
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

import jsonschema

POLLUX = os.environ.get("POLLUX", "pollux")
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
SCHEMA = os.path.join(ROOT, "app/result.schema.json")


def run(*words, limit=60):
    return subprocess.run([POLLUX, *words], capture_output=True, text=True, timeout=limit, stdin=subprocess.DEVNULL)


def measure(path, *words):
    return run(*words, "--hugepages", "off", "--json", path)


def setUpModule():
    """Results of real runs, measured once: two of the demo, one of a server that nobody talked to."""
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    Folder.folder = folder.name
    Folder.one, Folder.two, Folder.server = (os.path.join(folder.name, name + ".json") for name in ("one", "two", "server"))
    Folder.said = measure(Folder.one, "demo", "--duration", "1200ms", "--seed", "7", "--impair", "jitter=1us").stdout
    measure(Folder.two, "demo", "--duration", "300ms")
    measure(Folder.server, "serve", "http", "--port", "ring", "--ip", "198.18.0.2/24", "--duration", "300ms")


class Folder(unittest.TestCase):
    folder = one = two = server = said = ""

    def load(self, path):
        with open(path) as file:
            return json.load(file)

    def changed(self, change, of=None):
        """The path of a result in which something is different."""
        result = copy.deepcopy(self.load(of or self.one))
        change(result)
        path = os.path.join(self.folder, "changed.json")
        with open(path, "w") as file:
            json.dump(result, file)
        return path

    def refused(self, *words, code=2):
        result = run(*words)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        self.assertTrue(result.stderr.startswith("pollux: "), result.stderr)
        return result.stderr


class Schema(Folder):
    def validator(self):
        schema = self.load(SCHEMA)
        jsonschema.Draft202012Validator.check_schema(schema)
        return jsonschema.Draft202012Validator(schema)

    def test_results_of_real_runs_are_as_the_schema_says(self):
        for path in (self.one, self.two, self.server):
            self.validator().validate(self.load(path))

    def test_the_program_refuses_what_the_schema_refuses(self):
        def erase(*keys):
            def change(result):
                for key in keys[:-1]:
                    result = result[key]
                del result[keys[-1]]
            return change

        def put(value, *keys):
            def change(result):
                for key in keys[:-1]:
                    result = result[key]
                result[keys[-1]] = value
            return change

        changes = {
            "totals is missing": erase("totals"),
            "verdict.reasons is missing": erase("verdict", "reasons"),
            "latency.service.p99 is missing": erase("latency", "service", "p99"),
            "series[0].active is missing": erase("series", 0, "active"),
            'schema is "pollux.result/2"': put("pollux.result/2", "schema"),
            "totals.requests is -1": put(-1, "totals", "requests"),
            "totals.requests is 1.5": put(1.5, "totals", "requests"),
            'rates.rx_bits_per_second is "many"': put("many", "rates", "rx_bits_per_second"),
            'verdict.state is "FINE"': put("FINE", "verdict", "state"),
            "cores[0].busy_fraction is null": put(None, "cores", 0, "busy_fraction"),
            "impairment.seed is missing": erase("impairment", "seed"),
            "drops.odd is true": put(True, "drops", "odd"),
        }
        for message, change in changes.items():
            with self.subTest(message):
                path = self.changed(change)
                self.assertFalse(self.validator().is_valid(self.load(path)))
                self.assertIn(f"`{path}` is no result of this version: {message}", self.refused("report", path))


class Hdr:
    """HdrHistogram's compressed format, version 2, by its description, not by our code."""

    def __init__(self, text):
        packed = base64.b64decode(text, validate=True)
        cookie, length = struct.unpack_from(">ii", packed)
        assert cookie == 0x1C849314 and length == len(packed) - 8, (hex(cookie), length)
        plain = zlib.decompress(packed[8:])
        cookie, length, offset, digits, lowest, highest, ratio = struct.unpack_from(">iiiiqqd", plain)
        assert cookie == 0x1C849313 and length == len(plain) - 40 and offset == 0 and ratio == 1.0
        self.digits, self.lowest, self.highest = digits, lowest, highest
        self.values = []  # (highest equivalent value, count)
        sub_buckets = 1
        while sub_buckets < 2 * 10**digits:
            sub_buckets *= 2
        half = sub_buckets // 2
        index = at = 0
        counts = plain[40:]
        while at < len(counts):
            number = shift = 0
            for place in range(9):
                byte = counts[at]
                at += 1
                number |= (byte if place == 8 else byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    break
            number = (number >> 1) ^ -(number & 1)
            if number < 0:
                index += -number
                continue
            if number:
                bucket, sub = index // half - 1, index % half + half
                if bucket < 0:
                    bucket, sub = 0, index
                self.values.append((((sub + 1) << bucket) - 1, number))
            index += 1

    def quantile(self, share):
        wanted = max(1, share * sum(count for _, count in self.values) - 1e-6)
        seen = 0
        for value, count in self.values:
            seen += count
            if seen >= wanted:
                return value
        return 0


class Histogram(Folder):
    def test_another_implementation_reads_the_histogram_of_each_phase(self):
        for path in (self.one, self.server):
            for phase, latency in self.load(path)["latency"].items():
                with self.subTest(path=path, phase=phase):
                    histogram = Hdr(latency["hdr_v2_base64"])
                    self.assertEqual((histogram.digits, histogram.lowest, histogram.highest), (3, 1, 2**42 - 1))
                    self.assertEqual(sum(count for _, count in histogram.values), latency["count"])
                    for key, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("p9999", 0.9999), ("max", 1)):
                        self.assertEqual(min(histogram.quantile(share), latency["max"]), latency[key], key)


class Report(Folder):
    def test_the_text_is_that_of_the_run(self):
        result = run("report", self.one)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(result.stdout, self.said)
        self.assertIn("pollux demo, seed 7, bad wire with seed 7\n", self.said)

    def test_several_results_are_told_one_after_the_other(self):
        result = run("report", self.one, "--result", self.server)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertLess(result.stdout.index(f"{self.one}:\npollux demo"), result.stdout.index(f"{self.server}:\npollux serve http"))

    def test_csv_is_the_series(self):
        series = self.load(self.one)["series"]
        path = os.path.join(self.folder, "out.csv")
        for words in (("--csv", "-"), ("--csv",), ("--csv", path)):
            with self.subTest(words=words):
                result = run("report", self.one, *words)
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                text = result.stdout
                if words[-1] == path:
                    self.assertEqual(text, "")
                    with open(path) as file:
                        text = file.read()
                rows = list(csv.DictReader(io.StringIO(text)))
                self.assertEqual(len(rows), len(series))
                for row, second in zip(rows, series):
                    for key, value in second.items():
                        if not isinstance(value, list):
                            self.assertEqual(json.loads(row[key] or "null"), value, key)

    def test_a_page_needs_nothing_else(self):
        path = os.path.join(self.folder, "out.html")
        self.assertEqual(run("report", self.one, "--html", path).returncode, 0)
        with open(path) as file:
            page = file.read()
        self.assertEqual(page, run("report", self.one, "--html", "-").stdout)
        self.assertIn("default-src 'none'", page)
        for word in ("src=\"", "url(", "@import", "fetch("):
            self.assertNotIn(word, page.replace("Chart.js", ""))

    def test_bad_input_is_2_and_says_what_is_wrong(self):
        def file(name, content):
            path = os.path.join(self.folder, name)
            with open(path, "wb") as out:
                out.write(content)
            return path

        missing = os.path.join(self.folder, "nonexistent.json")
        cases = {
            ("report",): "report of what?",
            ("report", missing): f"cannot read `{missing}`: No such file",
            ("report", self.folder): "Is a directory",
            ("report", file("empty.json", b"")): "is no JSON",
            ("report", file("text.json", b"VALID\n")): "is no JSON",
            ("report", file("latin.json", b'{"schema": "\xff"}')): "is no JSON",
            ("report", file("list.json", b"[1, 2]")): "no result",
            ("report", file("package.json", b'{"name": "x"}')): 'no "schema"',
            ("report", file("deep.json", b'{"schema":' * 100_000)): "is no JSON",
            ("report", "/dev/zero"): "too large",
            ("report", self.one, "--html", "/nonexistent/r.html"): "cannot write `/nonexistent/r.html`: No such file",
            ("report", self.one, "--csv", self.folder): "Is a directory",
            ("report", self.one, "--html", self.one): "the result itself",
            ("report", self.one, "--html", "-", "--csv", "-"): "cannot both go to standard output",
            ("report", self.one, self.two, "--csv"): "--csv is of one result",
            ("report", self.one, "--htlm", "x"): "`--html`",
            ("report", self.one, "--html"): "--html",
            ("compare", self.one): "takes two results, 1 given",
            ("compare", self.one, self.two, self.one): "takes two results, 3 given",
            ("compare", self.one, missing): "cannot read",
            ("compare", self.one, self.two, "--max-regress", "3"): "such as 3%",
            ("compare", self.one, self.server): "what they measured is not the same",
        }
        before = self.load(self.one)
        for words, expected in cases.items():
            with self.subTest(words=words):
                self.assertIn(expected, self.refused(*words))
        self.assertEqual(self.load(self.one), before)

    def test_a_disk_that_is_full_is_1(self):
        self.assertIn("cannot write `/dev/full`: No space left", self.refused("report", self.one, "--html", "/dev/full", code=1))


class Compare(Folder):
    def test_a_result_is_as_good_as_itself(self):
        result = run("compare", self.one, self.one, "--max-regress", "0%")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("+0.0 %  same", result.stdout)
        self.assertNotIn("worse", result.stdout)

    def test_what_got_worse_by_more_than_allowed_is_3(self):
        def slower(result):
            result["rates"]["connections_per_second"] *= 0.9

        slow = self.changed(slower)
        worse = run("compare", self.one, slow, "--max-regress", "5%")
        self.assertEqual(worse.returncode, 3, worse.stdout)
        self.assertIn("WORSE THAN ALLOWED", worse.stdout)
        self.assertIn("rates.connections_per_second the most", worse.stderr)
        self.assertEqual(run("compare", self.one, slow, "--max-regress", "15%").returncode, 0)
        self.assertEqual(run("compare", self.one, slow).returncode, 0)
        better = run("compare", slow, self.one, "--max-regress", "5%")
        self.assertEqual(better.returncode, 0, better.stderr)
        self.assertIn("+11.1 %  better", better.stdout)

    def test_a_latency_that_grew_is_3(self):
        def later(result):
            result["latency"]["service"]["p90"] *= 2

        worse = run("compare", self.one, self.changed(later), "--max-regress", "50%")
        self.assertEqual(worse.returncode, 3, worse.stdout)
        self.assertIn("latency.service.p90 the most", worse.stderr)

    def test_an_invalid_result_is_4(self):
        def invalid(result):
            result["verdict"] = {"state": "INVALID", "reasons": ["the core was busy"]}

        self.assertIn("the core was busy", self.refused("compare", self.one, self.changed(invalid), code=4))

    def test_what_differs_in_the_settings_is_told(self):
        result = run("compare", self.one, self.two)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r'duration: "1200ms" before, "300ms" after')


if __name__ == "__main__":
    unittest.main(verbosity=2)
