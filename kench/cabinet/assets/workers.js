// The list of workers: one button ticks all boxes of the page.
const place = document.querySelector("#choose-all");

if (place) {
  place.hidden = false;
  place.querySelector("button").addEventListener("click", () => {
    const boxes = [...document.querySelectorAll('input[name="worker"]')];
    const all = boxes.every((box) => box.checked);
    for (const box of boxes) {
      box.checked = !all;
    }
  });
}
