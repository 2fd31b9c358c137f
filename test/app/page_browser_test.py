#!/usr/bin/env python3
"""The page of `pollux report --html`, looked at in a headless Chromium. Runs where there is no network.

POLLUX_PAGE_KEEP=DIR keeps pages and pictures of them there.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import browser  # noqa: E402

POLLUX = os.environ.get("POLLUX", "pollux")
# Of each canvas: its chart, and how many of its pixels have each line's own colour, legend included; how many between
# the axes have any of them.
DRAWN = """
  [...document.querySelectorAll("canvas")].map((canvas) => {
    const chart = Chart.getChart(canvas);
    const ratio = chart.currentDevicePixelRatio;
    const { left, right, top, bottom } = chart.chartArea;
    const ours = new Set(chart.data.datasets.map((line) => line.backgroundColor));
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    const colours = new Map();
    let inside = 0;
    for (let i = 0; i < pixels.length; i += 4) {
      if (pixels[i + 3] === 0) continue;
      const colour = "#" + [0, 1, 2].map((k) => pixels[i + k].toString(16).padStart(2, "0")).join("");
      colours.set(colour, (colours.get(colour) ?? 0) + 1);
      const x = ((i / 4) % canvas.width) / ratio;
      const y = Math.floor(i / 4 / canvas.width) / ratio;
      if (ours.has(colour) && x > left && x < right && y > top && y < bottom) inside++;
    }
    return {
      name: canvas.getAttribute("aria-label"),
      inside,
      lines: chart.data.datasets.map((line) => ({
        label: line.label,
        points: line.data.filter((point) => (point?.y ?? point) !== null).length,
        pixels: colours.get(line.backgroundColor) ?? 0,
      })),
    };
  })
"""


def pollux(*words):
    return subprocess.run([POLLUX, *words], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = os.environ.get("POLLUX_PAGE_KEEP", folder.name)
        cls.one, cls.two = cls.path("one.json"), cls.path("two.json")
        for path, words in ((cls.one, ("2200ms", "--impair", "loss=0.1%", "--set", "tcp.rto_min=10ms")), (cls.two, ("1200ms",))):
            result = pollux("demo", "--hugepages", "off", "--json", path, "--duration", *words)
            assert result.returncode == 0, result.stderr
        cls.browser = browser.Browser()
        cls.addClassCleanup(cls.browser.close)

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder, name)

    def show(self, name, *results, scheme="light"):
        """Makes the page and looks at it: no error in it, and nothing asked of anybody."""
        page = self.path(name + ".html")
        made = pollux("report", *results, "--html", page)
        self.assertEqual((made.returncode, made.stderr), (0, ""))
        self.browser.prefer(scheme)
        self.browser.open(page)
        drawn = self.browser.evaluate(DRAWN)
        if "POLLUX_PAGE_KEEP" in os.environ:
            self.browser.screenshot(self.path(name + ".png"))
        self.assertEqual(self.browser.of("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"), [])
        asked = [request["request"]["url"] for request in self.browser.of("Network.requestWillBeSent")]
        self.assertEqual([url for url in asked if not url.startswith("data:")], ["file://" + os.path.abspath(page)])
        return drawn

    def assert_drawn(self, charts):
        for chart in charts:
            self.assertGreater(chart["inside"], 100, chart["name"])
            for line in chart["lines"]:
                if line["points"] > 0:
                    # One that another covers leaves its sign in the legend at least.
                    self.assertGreater(line["pixels"], 15, f"{chart['name']}: {line['label']}")

    def text(self):
        return self.browser.evaluate("document.body.innerText")

    def test_every_chart_of_a_result_is_drawn(self):
        charts = self.show("one", self.one)
        names = [chart["name"] for chart in charts]
        self.assertEqual(names, ["Rate", "Latency", "Latency distribution", "Connections", "Trouble", "Cores"])
        self.assert_drawn(charts)
        by_name = {chart["name"]: {line["label"]: line["points"] for line in chart["lines"]} for chart in charts}
        with open(self.one) as file:
            result = json.load(file)
        seconds = len(result["series"])
        self.assertEqual(by_name["Rate"], {"connections": seconds})
        self.assertEqual(by_name["Latency"], {"p50": seconds, "p99": seconds})
        self.assertEqual(by_name["Connections"], {"open": seconds, "TIME-WAIT": seconds})
        self.assertEqual(by_name["Cores"], {"busy": len(result["cores"])})
        phases = [phase.replace("_", " ") for phase, latency in result["latency"].items() if latency["max"] > 0]
        self.assertEqual(list(by_name["Latency distribution"]), phases)
        for phase, points in by_name["Latency distribution"].items():
            if phase != "response":  # 0 ns for most: which a logarithmic axis leaves out
                self.assertGreater(points, 30, phase)
        text = self.text()
        for words in (result["verdict"]["state"], f"{result['totals']['connections_completed']:,}", "segments sent"):
            self.assertIn(words, text)

    def test_several_results_are_side_by_side(self):
        charts = self.show("both", self.one, self.two)
        self.assert_drawn(charts)
        labels = {chart["name"]: [line["label"] for line in chart["lines"]] for chart in charts}
        self.assertEqual(labels["Rate"], ["one", "two"])
        self.assertEqual(labels["Latency"], ["one p50", "one p99", "two p50", "two p99"])
        self.assertEqual(labels["Latency distribution: service"], ["one", "two"])

    def test_many_lines_have_the_page_to_themselves_and_room_beside_their_names(self):
        paths = [self.one, self.two]
        for i in range(4):
            paths.append(self.path(f"a_result_with_a_long_name_and_the_number_{i}.json"))
            shutil.copy(self.one, paths[-1])
        self.show("many", *paths)
        shares = self.browser.evaluate("""
          [...document.querySelectorAll("canvas")].filter((canvas) => Chart.getChart(canvas).data.datasets.length > 6)
              .map((canvas) => {
                const { left, right, top, bottom } = Chart.getChart(canvas).chartArea;
                return [(right - left) / document.body.clientWidth, (bottom - top) / canvas.clientHeight];
              })""")
        self.assertGreater(len(shares), 0)
        for across, down in shares:
            self.assertGreater(across, 0.8)
            self.assertGreater(down, 0.5)

    def measured(self, name, *words):
        path = self.path(name + ".json")
        result = pollux("timewait", *words, "--hugepages", "off", "--quiet", "--json", path)
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(path) as file:
            return path, json.load(file)

    def test_time_wait_is_shown_with_the_models_line_over_the_measured_one(self):
        path, result = self.measured("churn", "churn", "--rate", "1k/s", "--set", "tcp.ports=40000-41999", "--set", "tcp.time_wait=3s",
                                     "--duration", "4s", "--mode", "plain,timestamps")
        charts = self.show("churn", path)
        self.assertEqual([chart["name"] for chart in charts],
                         ["Connection rate", "In TIME-WAIT", "Rate against occupancy", "Memory against occupancy"])
        self.assert_drawn(charts)
        expected = [(run["who"] + of, len(run["series"])) for run in result["churn"] for of in ("", ", model")]
        self.assertEqual([(line["label"], line["points"]) for line in charts[0]["lines"]], expected)
        self.assertIn("no local port is free", self.text())

    def test_what_a_full_table_costs_is_shown(self):
        path, result = self.measured("fill", "fill", "--entries", "100k")
        charts = self.show("fill", path)
        names = [chart["name"] for chart in charts]
        self.assertEqual(names[:4], ["Rate against occupancy", "Memory against occupancy", "In TIME-WAIT", "Cost"])
        self.assert_drawn(charts[:4])
        text = self.text()
        for aim in result["fill"]["aims"]:
            self.assertIn(aim["what"], text)

    def test_what_a_result_says_is_text_and_nothing_else(self):
        evil = "</script><script>hacked = 1</script><img src=x onerror='hacked = 2'>"
        with open(self.one) as file:
            result = json.load(file)
        result["meta"]["command"] = result["meta"]["cpu"] = evil
        result["verdict"] = {"state": "DEGRADED", "reasons": [evil]}
        result["latency"][evil] = result["latency"]["service"]
        result["drops"][evil] = result["errors"][evil] = result["totals"][evil] = 1
        result["cores"][0]["group"] = evil
        result["thresholds"] = [{"expression": evil, "value": 1, "pass": False}]
        path = self.path("evil<img src=x>.json")
        with open(path, "w") as file:
            json.dump(result, file)
        for results in ((path,), (path, self.two)):
            self.show("evil", *results)
            self.assertEqual(self.browser.evaluate("typeof hacked"), "undefined")
            self.assertEqual(self.browser.evaluate("document.querySelectorAll('img').length"), 0)
            self.assertIn(evil, self.text())

    def test_a_dark_desktop_gets_a_dark_page(self):
        def ground():
            colour = self.browser.evaluate("getComputedStyle(document.body).backgroundColor")
            return sum(int(part) for part in colour[4:-1].split(","))

        self.show("one", self.one)
        self.assertGreater(ground(), 600)
        self.assert_drawn(self.show("dark", self.one, scheme="dark"))
        self.assertLess(ground(), 150)
        # And the page follows when the desktop changes its mind.
        colour = "Chart.getChart(document.querySelector('canvas')).data.datasets[0].borderColor"
        before = self.browser.evaluate(colour)
        self.browser.prefer("light")
        self.browser.evaluate(f"""new Promise((redrawn) => {{
            const look = () => ({colour} === "{before}" ? requestAnimationFrame(look) : redrawn());
            look();
        }})""")
        self.assertGreater(ground(), 600)


if __name__ == "__main__":
    unittest.main(verbosity=2)
