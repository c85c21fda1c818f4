// A secret that is shown once: a button puts it on the clipboard. Without it a click selects it all.
for (const button of document.querySelectorAll("button[data-copies]")) {
  const secret = document.getElementById(button.dataset.copies);
  const said = button.parentElement.querySelector("[data-copied]");
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(secret.textContent);
      said.textContent = said.dataset.copied;
    } catch {
      getSelection().selectAllChildren(secret); // the browser refused: it is ready to be copied by hand
    }
  });
}
