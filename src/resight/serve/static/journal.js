// The journal: what was written since something was seen, and the reviewer's last word taken back.
import { ask } from "./web.js";

const FAR_BACK = 200;
const me = document.body.dataset.who;
const touches = (entry, seen, names) => Object.entries(entry.after).some(([id, label]) => (
  (id in seen && entry.number > seen[id]) || names.includes(label.identity) || names.includes(entry.before[id]?.identity)));

// The rows of the journal after a number that speak of some photos or names, and the versions that they show.
export async function news(after, seen, names = []) {
  const { entries, n_all: nAll } = await ask(`/v1/journal?n=${FAR_BACK}&after=${after}&whole=true`);
  if (nAll > FAR_BACK) throw new Error("Too much has changed since this page was opened: load it anew, then decide.");
  const found = entries.filter((entry) => touches(entry, seen, names));
  const shown = { ...seen };
  for (const entry of found) for (const id of Object.keys(entry.after)) if (id in shown) shown[id] = Math.max(shown[id], entry.number);
  return { entries: found, seen: shown, number: entries.at(-1)?.number ?? after };
}

// Takes back the last thing that the reviewer decided and that stands; gives its row.
export async function undoLast() {
  const { entries } = await ask(`/v1/journal?n=${FAR_BACK}`);
  const last = entries.findLast((one) => one.who === me && one.undoes === null && one.undone_by === null);
  if (!last) throw new Error("Nothing that you decided is left to undo.");
  await ask("/v1/undo", { entry: last.number });
  return last;
}
