// All individuals: choose by keys, touch or the pointer and merge; or drag one onto another with the mouse.
import { anew, cardKeys, chosenCards } from "./cards.js";
import { asked } from "./conflict.js";
import { showFilters } from "./filter.js";
import { news } from "./journal.js";
import { ask, at, isTyping, run, say } from "./web.js";

const list = at("individuals");
const GONE = "An individual of these is there no more, so they cannot be merged.";

// The photos of some individuals with their versions; null where somebody has no photo any more.
async function photosOf(names) {
  const all = await Promise.all(names.map((name) => ask(`/v1/individual?name=${encodeURIComponent(name)}`).catch((error) => {
    if (error.status !== 404) throw error;
    return null;
  })));
  if (all.includes(null)) return null;
  return Object.fromEntries(all.flatMap((one) => one.photos.map((photo) => [photo.image_id, photo.version])));
}

// What others changed on the individuals since the page was made is shown before anything is written.
async function merge(cards, into, since = Number(list.dataset.number)) {
  const names = cards.map((card) => card.dataset.name).filter((name) => name !== into);
  const inWords = `${names.join(", ")} ${names.length === 1 ? "becomes" : "become"} ${into}`;
  const seen = await photosOf([into, ...names]);
  const { entries, number } = await news(since, {}, [into, ...names]);
  if (entries.length && !(await asked(entries, inWords, seen ? "" : GONE))) return anew("Left as it is now.");
  if (!seen) throw new Error(GONE);
  try {
    const entry = await ask("/v1/merge", { identities: names, into, seen });
    return anew(`Written as ${entry.number}: ${entry.sentence}.`);
  } catch (error) {
    if (error.status !== 409 || !error.theirs) throw error;
    return merge(cards, into, number);
  }
}

// Of several the one with most photos keeps its name.
const largest = (cards) => cards.reduce((best, one) => (Number(one.dataset.n) > Number(best.dataset.n) ? one : best)).dataset.name;

function mergeChosen() {
  const cards = chosenCards(list);
  if (cards.length < 2) return say("Choose two individuals or more to merge.", true);
  return run(() => merge(cards, largest(cards)));
}

function count() {
  const cards = chosenCards(list);
  at("merge").disabled = cards.length < 2;
  if (cards.length < 2) at("merge-says").textContent = cards.length ? "Choose one more to merge." : "Choose two or more to merge them.";
  else at("merge-says").textContent = `${cards.length} individuals become ${largest(cards)}`;
}

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
