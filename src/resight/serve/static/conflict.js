// Somebody else changed it meanwhile: what stands now beside what was asked for, and two ways on.
import { at, made, picture } from "./web.js";

const FEW = 6;
const when = (text) => new Date(text).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });

// Gives true to say it all the same, on top of what is shown; false to leave it as it is. Where `cannot` tells why it
// cannot be said any more there is only the one way.
export function asked(entries, yours, cannot = "") {
  at("theirs").replaceChildren();
  at("now").replaceChildren();
  for (const entry of entries) {
    const row = made("li", undefined, at("theirs"));
    made("strong", `${entry.who}, ${when(entry.at)}`, row);
    made("p", entry.sentence, row);
  }
  const labels = Object.assign({}, ...entries.map((entry) => entry.after));
  for (const [id, label] of Object.entries(labels).slice(0, FEW)) {
    const row = made("li", undefined, at("now"));
    made("img", undefined, row, { src: picture(id, 200), alt: `Photo ${id}` });
    made("bdi", label.identity ?? "no name", row);
  }
  at("yours").textContent = yours;
  at("conflict-hint").textContent = cannot || "Nothing of yours is written yet.";
  at("say-mine").hidden = cannot !== "";
  const dialog = at("conflict");
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((answer) => dialog.addEventListener("close", () => answer(dialog.returnValue === "mine"), { once: true }));
}
