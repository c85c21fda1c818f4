// Pages with a chart or with numbers that move: draws the one, follows the other.
import { drawChart } from "./moving/chart.js";
import { follow } from "./moving/live.js";

const figure = document.querySelector("[data-chart]");
const live = document.querySelector("[data-live-from]");
const chart = figure ? drawChart(figure) : null;

if (live) {
  follow(live, (at, hashrate) => chart?.then((drawn) => drawn?.add(at, hashrate)));
}
