// What every page needs: asking the service, making elements, and saying what went wrong.
export const at = (id) => document.getElementById(id);

const SILENT = "The service does not answer. What was decided is kept: start it again and open the link that it prints.";
const ENDED = "Your session has ended. What was decided is kept: open the link that the service printed when it was started.";

class Refused extends Error {
  constructor(status, told) {
    super(status === 401 ? ENDED : (told.detail ?? "The service failed."));
    Object.assign(this, { status, theirs: told.theirs, yours: told.yours });
  }
}

export async function ask(path, body) {
  const sent = body instanceof FormData
    ? { method: "POST", body }
    : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, { credentials: "same-origin", ...(body === undefined ? {} : sent) }).catch(() => {
    throw new Error(SILENT);
  });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, told);
  return told;
}

export const picture = (id, side) => `/v1/photo/image?side_px=${side}&image_id=${encodeURIComponent(id)}`;
export const percent = (p) => `${(100 * p).toFixed(p < 0.1 && p > 0 ? 1 : 0)} %`;
export const filterQuery = (filter) => Object.entries(filter).map(([name, value]) => `&filter=${encodeURIComponent(`${name}:${value}`)}`).join("");

export function made(name, text, into, more = {}) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  Object.assign(element, more);
  into?.append(element);
  return element;
}

export function facts(list, of, first = {}) {
  list.replaceChildren();
  for (const [name, value] of Object.entries({ ...first, ...of.columns, photo: of.image_id })) {
    const pair = made("div", undefined, list);
    made("dt", name.replaceAll("_", " "), pair);
    made("bdi", value, made("dd", undefined, pair));
  }
}

export const say = (text, isWrong = false) => {
  at("message").textContent = text;
  at("message").classList.toggle("wrong", isWrong);
};

// One thing at a time: what is pressed meanwhile is dropped, for nobody may decide on what is not in sight yet.
let busy = false;
export async function run(work) {
  if (busy) return;
  busy = true;
  document.body.setAttribute("aria-busy", "true");
  try {
    await work();
  } catch (error) {
    say(error.message, true);
  } finally {
    busy = false;
    document.body.removeAttribute("aria-busy");
  }
}

export const isTyping = (event) =>
  event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), select, textarea, dialog") !== null;
