// Somebody else changed it meanwhile: both versions, and two ways on.
import { at, made } from "./web.js";

const when = (text) => new Date(text).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });

// Gives true to say it all the same, false to leave it as they have it.
export function asked(error, yours) {
  const dialog = at("conflict");
  const list = dialog.querySelector("dl");
  list.replaceChildren();
  const theirs = error.theirs;
  for (const [name, text] of [[`${theirs.who}, ${when(theirs.at)}`, theirs.sentence], ["you, now", yours]]) {
    made("dt", name, list);
    made("dd", text, list);
  }
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((answer) => dialog.addEventListener("close", () => answer(dialog.returnValue === "mine"), { once: true }));
}
