// The first photo of the queue beside its candidates; every decision goes to the service at once.
import { asked } from "./conflict.js";
import { filterInForce, keepInAddress, showFilters } from "./filter.js";
import { undoLast } from "./journal.js";
import { ask, at, facts, filterQuery, isTyping, made, percent, picture, run, say } from "./web.js";
import { Viewer } from "./viewer.js";

const DECISIONS = { s: "same", d: "different", t: "unsure", n: "new", p: "poor", k: "skip", u: "undo" };
const OF_A_PAIR = new Set(["same", "different", "unsure"]);
const SAYS = { same: "shows", different: "does not show", unsure: "nobody can tell whether it shows", new: "shows a new individual", poor: "is too poor to tell" };
const N_CANDIDATES = 9;
const [LARGE, SMALL] = [1200, 200]; // px of the longer side
const viewer = new Viewer(at("stage"));
const state = { query: null, candidates: [], chosen: -1, model: null, lines: false, skips: [], ahead: [], next: undefined };
const by = () => (new URLSearchParams(location.search).get("by") === "image" ? "image" : "individual");
const alsoQueue = () => new URLSearchParams(location.search).has("queue");

function showCandidates() {
  const list = at("candidates");
  list.replaceChildren();
  state.candidates.forEach((candidate, place) => {
    const button = made("button", undefined, made("li", undefined, list), { type: "button" });
    made("img", undefined, button, { src: picture(candidate.image_id, SMALL), alt: "" });
    const text = made("div", undefined, button);
    const name = made("strong", `${place + 1}  `, text, { title: candidate.identity });
    made("bdi", candidate.identity, name);
    const probable = candidate.probability === null ? "" : `${percent(candidate.probability)} · `;
    made("p", `${probable}${candidate.n_photos} photo${candidate.n_photos === 1 ? "" : "s"}`, text);
    if (candidate.unsure) made("p", "could not be told before", text);
    button.addEventListener("click", () => choose(place));
  });
  choose(state.candidates.length ? 0 : -1);
}

function choose(place) {
  if (place >= state.candidates.length || (place < 0 && state.candidates.length)) return;
  state.chosen = place;
  const candidate = state.candidates[place];
  document.querySelectorAll("#candidates button").forEach((one, number) => {
    one.setAttribute("aria-pressed", String(number === place));
    if (number === place) one.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  viewer.lines = [];
  at("matched").textContent = "";
  viewer.show(1, candidate ? picture(candidate.image_id, LARGE) : null, candidate ? `Candidate: ${candidate.identity}` : "");
  at("candidate-name").textContent = candidate ? candidate.identity : "No candidate";
  at("candidate-says").textContent = candidate ? `score ${candidate.score.toFixed(3)}${candidate.probability === null ? "" : ` · ${percent(candidate.probability)}`} · rank ${candidate.rank}` : "";
  if (candidate) facts(at("candidate-facts"), candidate.facts);
  else at("candidate-facts").replaceChildren();
  viewer.draw();
  if (state.lines) showLines();
}

async function showLines() {
  const [candidate, query] = [state.candidates[state.chosen], state.query];
  if (!candidate || !query) return;
  at("matched").textContent = "Looking for places that agree …";
  const found = await ask(`/v1/matches?image_id=${encodeURIComponent(query.image_id)}&candidate_id=${encodeURIComponent(candidate.image_id)}`).catch((error) => ({ lines: [], says: error.message }));
  if (!state.lines || candidate !== state.candidates[state.chosen] || query !== state.query) return;
  viewer.lines = found.lines;
  at("matched").textContent = found.says;
  viewer.draw();
}

const candidatesOf = (imageId) => ask(`/v1/candidates?top=${N_CANDIDATES}&by=${by()}&image_id=${encodeURIComponent(imageId)}${filterQuery(filterInForce())}`);

// How probable it is that a name is wrong is said of what comes from the queue.
function ofNow(identity, item) {
  if (!identity) return {};
  const wrong = item ? { "wrong with": item.p_wrong === null ? "unknown probability" : percent(item.p_wrong) } : {};
  return { "named by now": identity, ...wrong };
}

async function show(imageId, item = null, found = null) {
  found ??= await candidatesOf(imageId);
  Object.assign(state, { query: found.query, candidates: found.candidates, model: found.model, filter: found.filter });
  viewer.reset();
  viewer.show(0, picture(imageId, LARGE), `Photo ${imageId}`);
  facts(at("query-facts"), found.query, ofNow(found.query.identity, item));
  const verdict = found.verdict === null ? "" : `${found.verdict} · ${percent(found.probability_new)} a new individual`;
  at("verdict").textContent = found.candidates.length ? verdict : "Nobody with a name may be on it.";
  at("empty").hidden = true;
  at("notes").textContent = found.notes.join(" ");
  at("stage").dataset.imageId = imageId;
  showCandidates();
  await viewer.ready(); // nobody decides on what is not in sight
}

function showNothing() {
  Object.assign(state, { query: null, candidates: [] });
  viewer.show(0, null, "");
  at("query-facts").replaceChildren();
  at("verdict").textContent = "";
  at("empty").hidden = false;
  delete at("stage").dataset.imageId;
  showCandidates();
}

function showProgress(queue) {
  const wrong = queue.expected_wrong;
  at("left").textContent = queue.n_left === 1 ? "1 photo waits" : `${queue.n_left} photos wait`;
  const stopping = wrong.value === null
    ? "How many wrong names remain if you stop now is unknown."
    : `If you stop now, about ${wrong.value.toFixed(1)} wrong names remain (${wrong.low.toFixed(1)} to ${wrong.high.toFixed(1)})${queue.n_unknown ? `; of ${queue.n_unknown} photo${queue.n_unknown === 1 ? "" : "s"} it is unknown` : ""}.`;
  at("stopping").textContent = [stopping, ...queue.notes].join(" ");
}

// What should come next is asked for beside the queue: it mostly does.
async function advance() {
  const next = state.next;
  const [queue, found] = await Promise.all([
    ask(`/v1/queue?n=2${alsoQueue() ? filterQuery(filterInForce()) : ""}`),
    next && candidatesOf(next).catch(() => null),
  ]);
  showProgress(queue);
  const [item, then] = queue.items;
  state.next = then?.image_id;
  if (!item) return showNothing();
  await show(item.image_id, item, item.image_id === next ? found : null);
  if (then) fetchAhead(then.image_id);
}

// The pictures of what comes next, fetched while the reviewer looks; they are kept so that the browser keeps them too.
async function fetchAhead(imageId) {
  const found = await candidatesOf(imageId).catch(() => null);
  if (!found) return;
  const large = [found.query, ...found.candidates.slice(0, 1)].map((one) => picture(one.image_id, LARGE));
  const small = found.candidates.map((one) => picture(one.image_id, SMALL));
  state.ahead = [...large, ...small].map((src) => Object.assign(new Image(), { src }));
}

async function undo() {
  const skipped = state.skips.pop();
  if (skipped) {
    await ask("/v1/skip", { image_id: skipped, back: true });
    say(`Took back that ${skipped} was skipped.`);
    return show(skipped);
  }
  const last = await undoLast();
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
  const [query, candidate] = [state.query, state.candidates[state.chosen]];
  const said = { image_id: query.image_id, says, seen: query.version, model: state.model, filter: state.filter };
  if (OF_A_PAIR.has(says)) {
    if (!candidate) throw new Error("There is no candidate to compare with.");
    Object.assign(said, { identity: candidate.identity, candidate_id: candidate.image_id, score: candidate.score, rank: candidate.rank });
  }
  const entry = await written(said, `${query.image_id} ${SAYS[says]}${OF_A_PAIR.has(says) ? ` ${candidate.identity}` : ""}`);
  state.skips = [];
  if (says === "different" && entry) await Promise.all([ask("/v1/queue?n=1").then(showProgress), show(query.image_id)]);
  else await advance();
  if (entry) say(`Written as ${entry.number}: ${entry.sentence}.`);
}

// Writes what was said; where another was quicker, on top of what is shown of it, or not at all.
async function written(said, inWords) {
  try {
    return await ask("/v1/judgements", said);
  } catch (error) {
    const { status, theirs } = error;
    if (status !== 409 || !theirs) throw error;
    const cannot = said.image_id in theirs.after ? "" : `${said.candidate_id} does not show ${said.identity} any more, so it cannot be compared with.`;
    if (!(await asked([theirs], inWords, cannot))) return null;
    return written({ ...said, seen: theirs.number }, inWords);
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
