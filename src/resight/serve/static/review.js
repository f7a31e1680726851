// The first photo of the queue beside its candidates; every decision goes to the service at once.
import { asked } from "./conflict.js";
import { filterInForce, keepInAddress, showFilters } from "./filter.js";
import { ask, at, facts, filterQuery, isTyping, made, percent, picture, run, say } from "./web.js";
import { Viewer } from "./viewer.js";

const DECISIONS = { s: "same", d: "different", t: "unsure", n: "new", p: "poor", k: "skip", u: "undo" };
const OF_A_PAIR = new Set(["same", "different", "unsure"]);
const SAYS = { same: "shows", different: "does not show", unsure: "nobody can tell whether it shows", new: "shows a new individual", poor: "is too poor to tell" };
const N_OFFERS = 9;
const BACK = 200;
const me = document.body.dataset.who;
const viewer = new Viewer(at("stage"));
const state = { query: null, offers: [], chosen: -1, model: null, lines: false, skips: [], asOf: 0 };
const by = () => (new URLSearchParams(location.search).get("by") === "image" ? "image" : "individual");
const alsoQueue = () => new URLSearchParams(location.search).has("queue");

function showOffers() {
  const list = at("offers");
  list.replaceChildren();
  state.offers.forEach((offer, place) => {
    const button = made("button", undefined, made("li", undefined, list), { type: "button" });
    made("img", undefined, button, { src: picture(offer.image_id, 200), alt: "" });
    const text = made("div", undefined, button);
    made("strong", `${place + 1}  ${offer.identity}`, text, { title: offer.identity });
    const probable = offer.probability === null ? "" : `${percent(offer.probability)} · `;
    made("p", `${probable}${offer.n_photos} photo${offer.n_photos === 1 ? "" : "s"}`, text);
    if (offer.unsure) made("p", "could not be told before", text);
    button.addEventListener("click", () => choose(place));
  });
  choose(state.offers.length ? 0 : -1);
}

function choose(place) {
  if (place >= state.offers.length || (place < 0 && state.offers.length)) return;
  state.chosen = place;
  const offer = state.offers[place];
  document.querySelectorAll("#offers button").forEach((one, number) => {
    one.setAttribute("aria-pressed", String(number === place));
    if (number === place) one.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  viewer.lines = [];
  at("matched").textContent = "";
  viewer.show(1, offer ? picture(offer.image_id, 1200) : null, offer ? `Candidate: ${offer.identity}` : "");
  at("candidate-name").textContent = offer ? offer.identity : "No candidate";
  at("candidate-says").textContent = offer ? `score ${offer.score.toFixed(3)}${offer.probability === null ? "" : ` · ${percent(offer.probability)}`} · rank ${offer.rank}` : "";
  if (offer) facts(at("candidate-facts"), offer.facts);
  else at("candidate-facts").replaceChildren();
  viewer.draw();
  if (state.lines) showLines();
}

async function showLines() {
  const [offer, query] = [state.offers[state.chosen], state.query];
  if (!offer || !query) return;
  at("matched").textContent = "Looking for places that agree …";
  const found = await ask(`/v1/matches?image_id=${encodeURIComponent(query.image_id)}&candidate_id=${encodeURIComponent(offer.image_id)}`).catch((error) => ({ lines: [], says: error.message }));
  if (!state.lines || offer !== state.offers[state.chosen] || query !== state.query) return;
  viewer.lines = found.lines;
  at("matched").textContent = found.says;
  viewer.draw();
}

async function show(imageId) {
  const found = await ask(`/v1/candidates?top=${N_OFFERS}&by=${by()}&image_id=${encodeURIComponent(imageId)}${filterQuery(filterInForce())}`);
  Object.assign(state, { query: found.query, offers: found.offers, model: found.model, filter: found.filter });
  viewer.reset();
  viewer.show(0, picture(imageId, 1200), `Photo ${imageId}`);
  facts(at("query-facts"), found.query, found.query.identity ? { "named by now": found.query.identity } : {});
  const verdict = found.verdict === null ? "" : `${found.verdict}, new ${percent(found.probability_new)}`;
  at("verdict").textContent = found.offers.length ? verdict : "Nobody with a name may be on it.";
  at("empty").hidden = true;
  at("notes").textContent = found.notes.join(" ");
  at("stage").dataset.imageId = imageId;
  showOffers();
  await viewer.ready(); // nobody decides on what is not in sight
}

function showNothing() {
  Object.assign(state, { query: null, offers: [] });
  viewer.show(0, null, "");
  at("query-facts").replaceChildren();
  at("verdict").textContent = "";
  at("empty").hidden = false;
  delete at("stage").dataset.imageId;
  showOffers();
}

function showProgress(queue) {
  const wrong = queue.expected_wrong;
  state.asOf = queue.as_of;
  at("left").textContent = queue.n_left === 1 ? "1 photo waits" : `${queue.n_left} photos wait`;
  at("stopping").textContent = wrong.value === null ? "" : `If you stop now, about ${wrong.value.toFixed(1)} wrong names remain (${wrong.low.toFixed(1)} to ${wrong.high.toFixed(1)})`;
}

async function advance() {
  const queue = await ask(`/v1/queue?n=2${alsoQueue() ? filterQuery(filterInForce()) : ""}`);
  showProgress(queue);
  if (!queue.items.length) return showNothing();
  await show(queue.items[0].image_id);
  if (queue.items.length > 1) new Image().src = picture(queue.items[1].image_id, 1200);
}

async function undo() {
  const skipped = state.skips.pop();
  if (skipped) {
    await ask("/v1/skip", { image_id: skipped, back: true });
    say(`Took back that ${skipped} was skipped.`);
    return show(skipped);
  }
  const { entries } = await ask(`/v1/journal?n=${BACK}&after=${Math.max(0, state.asOf - BACK)}`);
  const last = entries.findLast((one) => one.who === me && one.undoes === null && one.undone_by === null);
  if (!last) throw new Error("Nothing that you decided is left to undo.");
  await ask("/v1/undo", { entry: last.number });
  showProgress(await ask("/v1/queue?n=1"));
  await (last.verb === "judge" ? show(last.detail.image_id) : advance());
  say(`Undone: ${last.sentence}.`);
}

async function skip() {
  const imageId = state.query.image_id;
  await ask("/v1/skip", { image_id: imageId });
  state.skips.push(imageId);
  await advance();
  say(`Skipped ${imageId}: it comes last.`);
}

async function judge(says) {
  const [query, offer] = [state.query, state.offers[state.chosen]];
  const said = { image_id: query.image_id, says, seen: query.version, model: state.model, filter: state.filter };
  if (OF_A_PAIR.has(says)) {
    if (!offer) throw new Error("There is no candidate to compare with.");
    Object.assign(said, { identity: offer.identity, candidate_id: offer.image_id, score: offer.score, rank: offer.rank });
  }
  const entry = await written(said, `${query.image_id} ${SAYS[says]}${OF_A_PAIR.has(says) ? ` ${offer.identity}` : ""}`);
  state.skips = [];
  if (says === "different" && entry) await Promise.all([ask("/v1/queue?n=1").then(showProgress), show(query.image_id)]);
  else await advance();
  if (entry) say(`Written as ${entry.number}: ${entry.sentence}.`);
}

// Writes what was said; where another was quicker, as the reviewer then wishes, or not at all.
async function written(said, inWords) {
  try {
    return await ask("/v1/judgements", said);
  } catch (error) {
    if (error.status !== 409 || !error.theirs) throw error;
    if (!(await asked(error, inWords))) return null;
    const { version } = await ask(`/v1/photo?image_id=${encodeURIComponent(said.image_id)}`);
    return written({ ...said, seen: version }, inWords);
  }
}

function decide(does) {
  if (does === "undo") return undo();
  if (!state.query) return undefined;
  return does === "skip" ? skip() : judge(does);
}

const VIEWS = {
  "+": () => viewer.zoomBy(1.4),
  "=": () => viewer.zoomBy(1.4),
  "-": () => viewer.zoomBy(1 / 1.4),
  0: () => viewer.reset(),
  m: () => {
    state.lines = !state.lines;
    Object.assign(viewer, { lines: [] });
    at("matched").textContent = "";
    showSwitches();
    viewer.draw();
    if (state.lines) showLines();
  },
  i: () => {
    keepInAddress("by", by() === "image" ? [] : ["image"]);
    showSwitches();
    if (state.query) run(() => show(state.query.image_id));
  },
  arrowdown: () => choose(state.chosen + 1),
  arrowright: () => choose(state.chosen + 1),
  arrowup: () => choose(state.chosen - 1),
  arrowleft: () => choose(state.chosen - 1),
};

function showSwitches() {
  document.querySelector('[data-view="m"]').setAttribute("aria-pressed", String(state.lines));
  document.querySelector('[data-view="i"]').setAttribute("aria-pressed", String(by() === "image"));
}

document.querySelectorAll("[data-does]").forEach((button) => button.addEventListener("click", () => run(() => decide(button.dataset.does))));
document.querySelectorAll("[data-view]").forEach((button) => button.addEventListener("click", () => VIEWS[button.dataset.view]()));
document.addEventListener("keydown", (event) => {
  if (isTyping(event)) return;
  const key = event.key.toLowerCase();
  if (key in DECISIONS && !event.repeat) run(() => decide(DECISIONS[key]));
  else if (key in VIEWS) VIEWS[key]();
  else if (/^[1-9]$/.test(key)) choose(Number(key) - 1);
  else return;
  event.preventDefault();
});
at("also-queue").checked = alsoQueue();
at("also-queue").addEventListener("change", () => {
  keepInAddress("queue", at("also-queue").checked ? ["1"] : []);
  at("also-queue").blur();
  run(advance);
});
showSwitches();
run(async () => {
  await showFilters(() => run(() => (alsoQueue() || !state.query ? advance() : show(state.query.image_id))));
  const wished = new URLSearchParams(location.search).get("photo");
  await advance();
  if (wished) await show(wished);
  keepInAddress("photo", []);
});
