// Cards that are gone through and chosen by keys, touch or the pointer, and changes that reload what is shown.
import { asked } from "./conflict.js";
import { news, undoLast } from "./journal.js";
import { ask, at, isTyping, run, say } from "./web.js";

const TOLD = "resight-told";

const boxOf = (card) => card.querySelector("input[type=checkbox]");
export const chosenCards = (list) => [...list.children].filter((card) => boxOf(card).checked);
export const choose = (card, isChosen) => { boxOf(card).checked = isChosen; };

export function cardKeys(list, changed, opened = () => {}) {
  const cards = [...list.children];
  list.addEventListener("change", changed);
  document.addEventListener("keydown", (event) => {
    if (isTyping(event)) return;
    const place = cards.indexOf(document.activeElement.closest("li"));
    if (event.key === "ArrowRight") boxOf(cards[Math.min(place + 1, cards.length - 1)])?.focus();
    else if (event.key === "ArrowLeft") boxOf(cards[Math.max(place - 1, 0)])?.focus();
    else if (event.key === "Enter" && document.activeElement.matches("li input")) opened(cards[place]);
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
export function anew(told, address = location.href) {
  sessionStorage.setItem(TOLD, told);
  if (address === location.href) location.reload();
  else location.assign(address);
}

// Writes a change of photos as they were seen; where another was quicker, on top of what is shown of it, or not at all.
export async function ways(path, body, inWords, address) {
  try {
    const entry = await ask(path, body);
    return anew(`Written as ${entry.number}: ${entry.sentence}.`, address);
  } catch (error) {
    if (error.status !== 409 || !error.theirs) throw error;
    const { entries, seen } = await news(Math.max(0, ...Object.values(body.seen)), body.seen);
    if (!(await asked(entries, inWords))) return anew("Left as it is now.");
    return ways(path, { ...body, seen }, inWords, address);
  }
}

async function undo() {
  const last = await undoLast();
  const { new_identity: split, new_name: renamed } = last.detail;
  const gone = new URLSearchParams(location.search).get("name");
  const home = gone !== null && (gone === split || gone === renamed) ? new URL("/individuals", location.href).href : location.href;
  anew(`Undone: ${last.sentence}.`, home);
}
