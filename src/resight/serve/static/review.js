// The first photo of the queue beside its candidates; every decision goes to the service at once.
const KEYS = { s: "same", d: "different", t: "unsure", n: "new", p: "poor", k: "skip", u: "undo" };
const ASKED_OF_A_PAIR = new Set(["same", "different", "unsure"]);
const state = { query: null, offers: [], chosen: 0, busy: false, mine: [] };
const at = (id) => document.getElementById(id);

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, { credentials: "same-origin", ...options });
  const told = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(told.detail ?? "the service did not answer"), { status: answer.status });
  return told;
}

const picture = (id, side) => `/v1/photo/image?side_px=${side}&image_id=${encodeURIComponent(id)}`;
const percent = (p) => (p === null ? "" : `${(100 * p).toFixed(p < 0.1 ? 1 : 0)} %`);

function made(name, text, into) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  into?.append(element);
  return element;
}

function facts(list, of) {
  list.replaceChildren();
  for (const [name, value] of Object.entries({ photo: of.image_id, name: of.identity ?? "none", ...of.columns })) {
    made("dt", name, list);
    made("dd", value, list);
  }
}

function showOffers() {
  at("offers").replaceChildren();
  state.offers.forEach((offer, place) => {
    const button = made("button", undefined, made("li", undefined, at("offers")));
    button.type = "button";
    button.dataset.place = place;
    const image = made("img", undefined, button);
    image.src = picture(offer.image_id, 400);
    image.alt = `A photo of ${offer.identity}`;
    const text = made("div", undefined, button);
    made("strong", `${place + 1}. ${offer.identity}`, text);
    const said = offer.probability === null ? `score ${offer.score.toFixed(3)}` : `${percent(offer.probability)} · score ${offer.score.toFixed(3)}`;
    made("p", `${said} · ${offer.n_photos} photos${offer.unsure ? " · could not be told before" : ""}`, text);
    facts(made("dl", undefined, text), offer.facts);
    button.addEventListener("click", () => choose(place));
  });
  choose(0);
}

function choose(place) {
  if (place < 0 || place >= state.offers.length) return;
  state.chosen = place;
  document.querySelectorAll("#offers button").forEach((one) => one.setAttribute("aria-pressed", String(Number(one.dataset.place) === place)));
  document.querySelector(`#offers button[data-place="${place}"]`).scrollIntoView({ block: "nearest" });
}

async function show(imageId) {
  const found = await ask(`/v1/candidates?top=9&image_id=${encodeURIComponent(imageId)}`);
  state.query = found.query;
  state.offers = found.offers;
  state.model = found.model;
  at("query-image").src = picture(imageId, 1200);
  at("query-image").alt = `Photo ${imageId}`;
  at("query-image").hidden = false;
  facts(at("query-facts"), found.query);
  const verdict = found.verdict === null ? "" : `${found.verdict} · new ${percent(found.probability_new)}`;
  at("verdict").textContent = found.offers.length ? verdict : "Nobody with a name may be on this photo.";
  showOffers();
}

async function advance() {
  const queue = await ask("/v1/queue?n=1");
  const wrong = queue.expected_wrong;
  const told = wrong.value === null ? "" : ` · about ${wrong.value.toFixed(1)} (${wrong.low.toFixed(0)} to ${wrong.high.toFixed(0)}) wrong names expected to remain`;
  at("progress").textContent = `${queue.n_left} wait${told}`;
  if (queue.items.length) return show(queue.items[0].image_id);
  Object.assign(state, { query: null, offers: [] });
  at("query-image").hidden = true;
  at("query-facts").replaceChildren();
  at("verdict").textContent = "Nothing waits for a decision.";
  showOffers();
}

async function decide(does) {
  const offer = state.offers[state.chosen];
  if (does === "undo") {
    if (!state.mine.length) throw new Error("Nothing of this visit is left to undo.");
    const last = state.mine.at(-1);
    if (last.skipped) await ask("/v1/skip", { image_id: last.image_id, back: true });
    else await ask("/v1/undo", { entry: last.entry });
    state.mine.pop();
    return show(last.image_id);
  }
  if (!state.query) return undefined;
  const imageId = state.query.image_id;
  if (does === "skip") {
    await ask("/v1/skip", { image_id: imageId });
    state.mine.push({ image_id: imageId, skipped: true });
    return advance();
  }
  const said = { image_id: imageId, says: does, seen: state.query.version, model: state.model };
  if (ASKED_OF_A_PAIR.has(does)) {
    if (!offer) throw new Error("There is no candidate to compare with.");
    Object.assign(said, { identity: offer.identity, candidate_id: offer.image_id, score: offer.score, rank: offer.rank });
  }
  const entry = await ask("/v1/judgements", said);
  state.mine.push({ image_id: imageId, entry: entry.number });
  return does === "different" ? show(imageId) : advance();
}

async function run(work) {
  if (state.busy) return;
  state.busy = true;
  at("message").textContent = "";
  try {
    await work();
  } catch (error) {
    at("message").textContent = error.message;
    if (error.status === 409 && state.query) await show(state.query.image_id).catch(() => {});
  } finally {
    state.busy = false;
  }
}

document.querySelectorAll("footer button").forEach((button) => button.addEventListener("click", () => run(() => decide(button.dataset.does))));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  if (key in KEYS) run(() => decide(KEYS[key]));
  else if (key === "arrowdown") choose(state.chosen + 1);
  else if (key === "arrowup") choose(state.chosen - 1);
  else if (/^[1-9]$/.test(key)) choose(Number(key) - 1);
  else return;
  event.preventDefault();
});
run(advance);
