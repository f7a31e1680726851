// One individual: choose photos and split them off or move them; rename it.
import { cardKeys, choose, chosenCards, ways } from "./cards.js";
import { ask, at, isTyping, made, run, say } from "./web.js";

const list = at("photos");
const name = at("name").dataset.name;
const field = at("move").elements.to;
let wished = "split"; // what Enter in the field does: what was asked for before the name was
const page = (of) => new URL(`/individual?name=${encodeURIComponent(of)}`, location.href).href;
const seenOf = (cards) => Object.fromEntries(cards.map((card) => [card.dataset.imageId, Number(card.dataset.version)]));

function count() {
  const n = chosenCards(list).length;
  at("n-chosen").textContent = n ? `${n} photo${n === 1 ? "" : "s"} chosen` : "No photo is chosen";
  at("move").querySelectorAll("button[name]").forEach((button) => { button.disabled = n === 0; });
}

const isKnown = (of) => ask(`/v1/individual?n=1&name=${encodeURIComponent(of)}`).then(() => true, (error) => {
  if (error.status === 404) return false;
  throw error;
});

async function move(how) {
  const cards = chosenCards(list);
  if (!cards.length) return say("Choose photos first.", true);
  wished = how;
  if (!field.value.trim()) {
    field.focus();
    return say("Say which name they get, then press the button or Enter.");
  }
  const [to, imageIds, seen] = [field.value.trim(), cards.map((card) => card.dataset.imageId), seenOf(cards)];
  const rest = cards.length === list.children.length ? page(to) : location.href;
  if (how === "assign" && !(await isKnown(to))) return say(`There is no ${to} to move to: choose a known name, or split off as new (X).`, true);
  const body = how === "split" ? { image_ids: imageIds, new_identity: to, seen } : { image_ids: imageIds, identity: to, seen };
  return ways(`/v1/${how}`, body, `${imageIds.length} photo${imageIds.length === 1 ? " shows" : "s show"} ${to}`, rest);
}

cardKeys(list, count);
at("move").addEventListener("submit", (event) => {
  event.preventDefault();
  run(() => move(event.submitter?.value || "split"));
});
field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  run(() => move(wished));
});
at("rename").addEventListener("submit", (event) => {
  event.preventDefault();
  const to = at("rename").elements.new_name.value.trim();
  if (to) run(() => ways("/v1/rename", { identity: name, new_name: to, seen: seenOf([...list.children]) }, `${name} is called ${to}`, page(to)));
});
document.addEventListener("keydown", (event) => {
  if (isTyping(event)) return;
  const key = event.key.toLowerCase();
  if (key === "x") run(() => move("split"));
  else if (key === "v") run(() => move("assign"));
  else if (key === "r") at("rename").elements.new_name.focus();
  else if (key === "a") {
    const all = chosenCards(list).length < list.children.length;
    [...list.children].forEach((card) => choose(card, all));
    count();
  } else return;
  event.preventDefault();
});
field.addEventListener("input", async () => {
  const found = await ask(`/v1/individuals?n=20&starts=${encodeURIComponent(field.value)}`).catch(() => ({ individuals: [] }));
  at("names").replaceChildren(...found.individuals.map((one) => made("option", undefined, undefined, { value: one.name })));
});
