// Charts of hashrates: uPlot in the place of what the server has drawn.
import uPlot from "uplot";

const UNITS = ["H/s", "kH/s", "MH/s", "GH/s", "TH/s", "PH/s", "EH/s", "ZH/s"];
const ZONE = "Asia/Bishkek";
const HEIGHT = 300;
const AGAIN_MS = 10 * 60_000;

/** A hashrate with its unit, as the server writes it. */
export function hashrateText(value) {
  let unit = 0;
  let rest = value ?? 0;
  while (rest >= 999.5 && unit < UNITS.length - 1) {
    rest /= 1000;
    unit += 1;
  }
  const digits = rest < 10 ? 2 : rest < 100 ? 1 : 0;
  const text = rest.toLocaleString(document.documentElement.lang, { maximumFractionDigits: digits });
  return `${text} ${UNITS[unit]}`;
}

function timeFormat(span) {
  const wanted = span === "24h"
    ? { hour: "2-digit", minute: "2-digit" }
    : { day: "2-digit", month: "2-digit", ...(span === "1y" ? { year: "2-digit" } : {}) };
  // Digits only: browsers do not know the names of months in Kyrgyz.
  const format = new Intl.DateTimeFormat("ru", { timeZone: ZONE, hourCycle: "h23", ...wanted });
  return (at) => format.format(at * 1000);
}

function optionsOf(figure, span) {
  const style = getComputedStyle(figure);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  const time = timeFormat(span);
  return {
    width: figure.clientWidth,
    height: HEIGHT,
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), ZONE),
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { y: { range: (_chart, _low, high) => [0, high > 0 ? high * 1.08 : 1] } },
    series: [
      { label: figure.dataset.time, value: (_chart, at) => (at === null ? "—" : time(at)) },
      {
        label: figure.dataset.label,
        stroke: colour("--accent"),
        fill: colour("--accent-soft"),
        width: 2,
        points: { show: false },
        value: (_chart, rate) => (rate === null ? "—" : hashrateText(rate)),
      },
    ],
    axes: [
      { ...axis, values: (_chart, splits) => splits.map(time), space: 64 },
      { ...axis, values: (_chart, splits) => splits.map(hashrateText), size: 84 },
    ],
  };
}

/** Draw `figure.dataset.chart`; what the server drew stays where that does not work. */
export async function drawChart(figure) {
  const answer = await fetch(figure.dataset.chart, { redirect: "error" }).catch(() => null);
  if (!answer?.ok) {
    return null;
  }
  const { span, at_s: times, hashrate: rates } = await answer.json();
  let chart = null;
  const draw = () => {
    chart?.destroy();
    figure.replaceChildren();
    chart = new uPlot(optionsOf(figure, span), [times, rates], figure);
  };
  draw();
  new ResizeObserver(() => chart.setSize({ width: figure.clientWidth, height: HEIGHT })).observe(figure);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  const drawn = Date.now();
  return {
    /** Put the newest number at the end of the day's chart. */
    add(at, rate) {
      if (Date.now() - drawn > AGAIN_MS && document.visibilityState === "visible") {
        location.reload();
      } else if (span === "24h") {
        chart.setData([[...times, at], [...rates, rate]]);
      }
    },
  };
}
