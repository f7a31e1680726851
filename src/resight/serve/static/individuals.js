// All individuals: choose with keys or the pointer, merge two or more, or drag one onto another.
import { asked } from "./conflict.js";
import { showFilters } from "./filter.js";
import { cardKeys, chosenCards, ways } from "./cards.js";
import { ask, at, isTyping, run, say } from "./web.js";

const list = at("individuals");

// Of several the one with most photos keeps its name.
async function merge(cards, into) {
  const names = cards.map((card) => card.dataset.name).filter((name) => name !== into);
  const all = await Promise.all([into, ...names].map((name) => ask(`/v1/individual?name=${encodeURIComponent(name)}`)));
  const seen = Object.fromEntries(all.flatMap((one) => one.photos.map((photo) => [photo.image_id, photo.version])));
  await ways("/v1/merge", { identities: names, into, seen }, `${names.join(", ")} ${names.length === 1 ? "is" : "are"} ${into}`, asked);
}

const largest = (cards) => cards.reduce((best, one) => (Number(one.dataset.n) > Number(best.dataset.n) ? one : best)).dataset.name;

function mergeChosen() {
  const cards = chosenCards(list);
  if (cards.length < 2) return say("Choose two individuals or more to merge.", true);
  return run(() => merge(cards, largest(cards)));
}

const count = () => {
  const cards = chosenCards(list);
  at("merge").disabled = cards.length < 2;
  if (cards.length > 1) say(`${cards.map((card) => card.dataset.name).join(", ")}: merged, they are called ${largest(cards)}.`);
};

cardKeys(list, count, (card) => card.querySelector("a").click());
at("merge").addEventListener("click", mergeChosen);
document.addEventListener("keydown", (event) => {
  if (!isTyping(event) && event.key.toLowerCase() === "g") mergeChosen();
});
let dragged = null;
list.addEventListener("dragstart", (event) => {
  dragged = event.target.closest("li");
  event.dataTransfer.effectAllowed = "move";
});
list.addEventListener("dragover", (event) => {
  const card = event.target.closest("li");
  list.querySelectorAll(".over").forEach((one) => one.classList.toggle("over", one === card));
  if (!dragged || !card || card === dragged) return;
  card.classList.add("over");
  event.preventDefault();
});
list.addEventListener("dragend", () => list.querySelectorAll(".over").forEach((one) => one.classList.remove("over")));
list.addEventListener("drop", (event) => {
  event.preventDefault();
  const card = event.target.closest("li");
  if (dragged && card && card !== dragged) run(() => merge([dragged], card.dataset.name));
});
document.querySelectorAll(".paging a").forEach((link) => {
  const address = new URL(location.href);
  address.searchParams.set("offset", link.dataset.offset);
  link.href = address;
});
run(() => showFilters(() => {
  const address = new URL(location.href);
  address.searchParams.delete("offset");
  location.assign(address);
}));
