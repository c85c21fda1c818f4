// The page of a signing request: signs in the page with a key file, which never leaves it.
import { nameOf, sign } from "./signing/cades.js";
import { KeyFileError, readKeyFile } from "./signing/p12.js";

const form = document.querySelector("#signing");
const inPage = document.querySelector("#in-page");

function textOf(reason) {
  return inPage.dataset[reason] ?? inPage.dataset.broken;
}

function say(text, bad) {
  const status = document.querySelector("#sign-status");
  status.textContent = text;
  status.className = bad ? "error" : "hint";
}

function base64Of(bytes) {
  let binary = "";
  for (const one of bytes) {
    binary += String.fromCharCode(one);
  }
  return btoa(binary);
}

/** The exact bytes to sign: those that the server holds, not what a page made of them. */
async function contentOf() {
  const answer = await fetch(inPage.dataset.content, { cache: "no-store", redirect: "error" });
  if (!answer.ok) {
    throw new KeyFileError("gone");
  }
  return new Uint8Array(await answer.arrayBuffer());
}

async function signHere() {
  const chosen = document.querySelector("#key-file").files[0];
  const password = document.querySelector("#key-password");
  if (!chosen) {
    throw new KeyFileError("choose");
  }
  say(inPage.dataset.busy, false);
  // The page shows its words before the key is worked out, which keeps it busy.
  await new Promise((done) => setTimeout(done));
  const file = new Uint8Array(await chosen.arrayBuffer());
  const keyFile = await readKeyFile(file, password.value);
  file.fill(0);
  const signature = await sign(await contentOf(), keyFile, new Date());
  password.value = "";
  say(`${inPage.dataset.signed} ${nameOf(keyFile.certificate)}`, false);
  form.elements.signature_b64.value = base64Of(signature);
  form.submit();
}

function start() {
  const button = document.querySelector("#sign-here");
  const password = document.querySelector("#key-password");
  const run = async () => {
    button.disabled = true;
    try {
      await signHere();
    } catch (error) {
      say(textOf(error instanceof KeyFileError ? error.reason : "broken"), true);
      button.disabled = false;
    }
  };
  button.addEventListener("click", run);
  password.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      button.click();
    }
  });
  inPage.hidden = false;
}

if (form && inPage && globalThis.crypto?.subtle) {
  start();
}
