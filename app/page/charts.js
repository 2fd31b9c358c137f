// Draws the charts of a page (app/page.h): the list in #charts, one canvas for each, in the same order.
"use strict";

(() => {
  // Okabe and Ito's colours, which the colour-blind tell apart, and the same made brighter for a dark ground; then four
  // for charts of many lines. Each has a shape of its own, too.
  const PALETTES = {
    light: ["#0072b2", "#d55e00", "#009e73", "#b0578d", "#b07800", "#2b95d6", "#5a6675", "#8c2d19", "#5a3fc0", "#1f6f2b"],
    dark: ["#56b4e9", "#f08a3c", "#35c79a", "#e39bc4", "#f2c14e", "#a9d8f5", "#b8c0cc", "#ff9d8a", "#b7a5ff", "#9be28a"],
  };
  const SHAPES = ["circle", "triangle", "rect", "rectRot", "star", "crossRot", "rectRounded", "cross", "dash", "line"];
  const MOST_POINTS_WITH_SHAPES = 45;

  const SIZES = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]];
  const TIMES = [[1e9, " s"], [1e6, " ms"], [1e3, " µs"], [1, " ns"]];

  const digits = (value, count) => String(Number(value.toPrecision(count)));
  // `value` with the largest unit that leaves at least one.
  const scaled = (value, units, count) => {
    const size = Math.abs(value);
    const [factor, unit] = units.find(([least]) => size >= least * 0.9995) ?? units[units.length - 1];
    return digits(value / factor, count) + unit;
  };
  const percentile = (value) => {
    const places = Math.max(0, Math.round(Math.log10(value)) - 2);
    return value <= 1 ? "0 %" : `${((1 - 1 / value) * 100).toFixed(places)} %`;
  };
  const FORMATS = {
    count: (value, count) => scaled(value, SIZES, count),
    per_second: (value, count) => `${scaled(value, SIZES, count)}/s`,
    ns: (value, count) => (value === 0 ? "0" : scaled(value, TIMES, count)),
    s: (value, count) => `${digits(value, count)} s`,
    bytes: (value, count) => `${scaled(value, SIZES, count)}B`,
    bits_per_second: (value, count) => `${scaled(value, SIZES, count)}bit/s`,
    fraction: (value, count) => `${digits(value * 100, count)} %`,
    percentile,
  };

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // The ends of a logarithmic axis, and which of its ticks bear a number: powers of ten, and between them 2 and 5 where
  // there are few. Percentiles have no 2 and no 5.
  function logarithmic(axis, values) {
    const positive = values.filter((value) => value !== null && value > 0);
    if (positive.length === 0) return { shown: () => false };
    const least = Math.min(...positive);
    const greatest = Math.max(...positive);
    const steps = axis.unit === "percentile" || greatest / least > 1e3 ? [1] : [1, 2, 5];
    const isStep = (value) => steps.some((step) => Math.abs(value / 10 ** Math.floor(Math.log10(value) + 1e-9) - step) < 1e-6);
    const rounded = [1, 2, 5];
    const decade = (value) => 10 ** Math.floor(Math.log10(value));
    const below = decade(least) * rounded.findLast((step) => decade(least) * step <= least);
    const above = decade(greatest) * (rounded.find((step) => decade(greatest) * step >= greatest) ?? 10);
    const whole = axis.unit === "percentile";
    return { shown: isStep, min: below, max: whole ? greatest : Math.max(above, below * 2) };
  }

  function scale(axis, values, categories, colours) {
    const format = FORMATS[axis.unit];
    const made = {
      title: { display: axis.title !== "", text: axis.title, color: colours.quiet },
      border: { display: false },
      grid: { color: colours.rule, drawTicks: false },
      ticks: { color: colours.quiet, padding: 8, maxRotation: 0 },
    };
    if (categories) return { ...made, type: "category", grid: { display: false } };
    if (axis.logarithmic) {
      const { shown, min, max } = logarithmic(axis, values);
      made.ticks.callback = (value) => (shown(value) ? format(value, 4) : null);
      return { ...made, type: "logarithmic", min, max };
    }
    made.type = "linear";
    made.ticks.callback = (value) => format(value, 4);
    made.ticks.maxTicksLimit = 8;
    if (axis.unit === "count") made.ticks.precision = 0;
    if (axis.unit === "fraction") made.max = 1;
    if (axis.unit === "s") made.min = 0;
    return made;
  }

  function dataset(line, chart, colours) {
    const colour = colours.palette[line.colour % colours.palette.length];
    const shown = ([x, y]) => (y !== null && !(chart.y.logarithmic && y <= 0) && !(chart.x.logarithmic && x <= 0) ? y : null);
    if (chart.categories.length > 0) {
      const values = chart.categories.map(() => null);
      for (const [x, y] of line.points) values[x] = y;
      return { label: line.label, data: values, backgroundColor: colour, maxBarThickness: 42, borderRadius: 2, minBarLength: 2 };
    }
    return {
      label: line.label,
      data: line.points.map((point) => ({ x: point[0], y: shown(point) })),
      borderColor: colour,
      backgroundColor: colour,
      borderDash: line.dashed ? [6, 4] : [],
      borderWidth: 2,
      pointStyle: SHAPES[line.colour % SHAPES.length],
      pointRadius: line.points.length > MOST_POINTS_WITH_SHAPES ? 0 : 3,
      pointHitRadius: 8,
    };
  }

  // Where lines are told apart by dashes, the legend shows those instead of shapes; where there are many, only those
  // that are not dashed: a dashed one has the colour of what it belongs to.
  function dashes(chart) {
    if (!chart.lines.some((line) => line.dashed)) return {};
    const usual = Chart.defaults.plugins.legend.labels.generateLabels;
    return {
      pointStyleWidth: 26,
      filter: (item) => !chart.wide || !chart.lines[item.datasetIndex].dashed,
      generateLabels: (drawing) =>
        usual(drawing).map((item) => {
          const lineDash = chart.lines[item.datasetIndex].dashed ? [5, 4] : [];
          return { ...item, pointStyle: "line", lineWidth: 2, lineDash };
        }),
    };
  }

  function heading(chart, item) {
    if (chart.categories.length > 0) return item.label;
    return `${chart.x.title ? `${chart.x.title}: ` : ""}${FORMATS[chart.x.unit](item.parsed.x, 4)}`;
  }

  function configuration(chart, colours) {
    const bars = chart.categories.length > 0;
    const points = chart.lines.flatMap((line) => line.points);
    return {
      type: bars ? "bar" : "line",
      data: { labels: bars ? chart.categories : undefined, datasets: chart.lines.map((line) => dataset(line, chart, colours)) },
      options: {
        animation: false,
        maintainAspectRatio: false,
        interaction: { mode: bars ? "index" : "nearest", axis: "x", intersect: false },
        scales: {
          x: scale(chart.x, points.map(([x]) => x), bars, colours),
          y: { ...scale(chart.y, points.map(([, y]) => y), false, colours), beginAtZero: true, grace: bars ? 0 : "5%" },
        },
        plugins: {
          legend: {
            display: chart.lines.length > 1,
            align: "start",
            position: chart.wide ? "bottom" : "top",
            labels: { color: colours.ink, usePointStyle: true, boxHeight: 7, padding: 14, ...dashes(chart) },
          },
          tooltip: {
            callbacks: {
              title: (items) => (items.length > 0 ? heading(chart, items[0]) : ""),
              label: (item) => `${item.dataset.label}: ${FORMATS[chart.y.unit](item.parsed.y, 3)}`,
            },
          },
        },
      },
    };
  }

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const canvases = document.querySelectorAll("canvas");
  let drawn = [];

  function draw() {
    for (const chart of drawn) chart.destroy();
    const colours = {
      palette: dark.matches ? PALETTES.dark : PALETTES.light,
      ink: css("--ink"),
      quiet: css("--quiet"),
      rule: css("--rule"),
    };
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    drawn = charts.map((chart, i) => new Chart(canvases[i], configuration(chart, colours)));
  }

  draw();
  dark.addEventListener("change", draw);
})();
