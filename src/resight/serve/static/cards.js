// Cards that are gone through and chosen by keys or the pointer, and changes that reload what is shown.
import { ask, at, isTyping, run, say } from "./web.js";

const TOLD = "resight-told";
const me = document.body.dataset.who;
const BACK = 200;

export const chosenCards = (list) => [...list.querySelectorAll('li[aria-pressed="true"]')];

export function choose(card, isChosen) {
  card.setAttribute("aria-pressed", String(isChosen));
}

export function cardKeys(list, changed, opened = () => {}) {
  const cards = [...list.querySelectorAll(":scope > li")];
  const toggle = (card) => {
    choose(card, card.getAttribute("aria-pressed") !== "true");
    changed();
  };
  list.addEventListener("click", (event) => {
    const card = event.target.closest("li");
    if (card && !event.target.closest("a")) toggle(card);
  });
  document.addEventListener("keydown", (event) => {
    if (isTyping(event)) return;
    const place = cards.indexOf(document.activeElement);
    if (event.key === "ArrowRight") cards[Math.min(place + 1, cards.length - 1)]?.focus();
    else if (event.key === "ArrowLeft") cards[Math.max(place - 1, 0)]?.focus();
    else if (event.key === " " && place >= 0) toggle(cards[place]);
    else if (event.key === "Enter" && place >= 0) opened(cards[place]);
    else if (event.key.toLowerCase() === "u") run(undo);
    else return;
    event.preventDefault();
  });
  at("undo").addEventListener("click", () => run(undo));
  const told = sessionStorage.getItem(TOLD);
  sessionStorage.removeItem(TOLD);
  if (told) say(told);
}

// Shows the page anew, with what was done told on it.
function anew(told, address = location.href) {
  sessionStorage.setItem(TOLD, told);
  if (address === location.href) location.reload();
  else location.assign(address);
}

// Writes a change; where another was quicker, as the reviewer then wishes.
export async function ways(path, body, inWords, asked, address) {
  let entry;
  try {
    entry = await ask(path, body);
  } catch (error) {
    if (error.status !== 409 || !error.theirs) throw error;
    if (!(await asked(error, inWords))) return anew("Left as they have it.");
    entry = await ask(path, { ...body, seen: null });
  }
  return anew(`Written as ${entry.number}: ${entry.sentence}.`, address);
}

async function undo() {
  const { n_all: nAll } = await ask("/v1/journal?n=1");
  const { entries } = await ask(`/v1/journal?n=${BACK}&after=${Math.max(0, nAll - BACK)}`);
  const last = entries.findLast((one) => one.who === me && one.undoes === null && one.undone_by === null);
  if (!last) throw new Error("Nothing that you decided is left to undo.");
  await ask("/v1/undo", { entry: last.number });
  const { new_identity: split, new_name: renamed } = last.detail;
  const gone = new URLSearchParams(location.search).get("name");
  const home = gone !== null && (gone === split || gone === renamed) ? new URL("/individuals", location.href).href : location.href;
  anew(`Undone: ${last.sentence}.`, home);
}
