// Photos that are dropped are sent as a job; how far each is comes as events.
import { ask, at, made, run, say } from "./web.js";

const STATES = { waiting: "waits", running: "is indexed", done: "done, searchable", failed: "failed" };
const AT_ONCE = 200; // photos of one request
const rows = new Map();
let line = Promise.resolve(); // photos that are dropped while others are sent are sent after them
const inTurn = (work) => { line = line.then(() => run(work)); };

function show(job) {
  at("no-jobs").hidden = true;
  if (!rows.has(job.job_id)) {
    const row = made("li");
    at("jobs").prepend(row);
    rows.set(job.job_id, { row, title: made("strong", undefined, row), bar: made("progress", undefined, row), text: made("p", undefined, row), wrong: made("ul", undefined, row) });
  }
  const { title, bar, text, wrong } = rows.get(job.job_id);
  const told = Object.entries(job.columns).map(([name, value]) => `${name} ${value}`).join(", ");
  title.textContent = `${job.n_photos} photo${job.n_photos === 1 ? "" : "s"}${told ? `, ${told}` : ""}`;
  Object.assign(bar, { max: job.n_photos, value: job.n_done, ariaLabel: "Photos done" });
  const nFailed = job.n_failures ?? job.failures.length;
  const count = nFailed ? `${job.n_done - nFailed} of ${job.n_photos}, ${nFailed} cannot be read` : `${job.n_done} of ${job.n_photos}`;
  text.textContent = `${STATES[job.state]} · ${count} · ${job.who}, ${new Date(job.at).toLocaleString()}${job.reason ? ` · ${job.reason}` : ""}`;
  wrong.replaceChildren(...(job.failures ?? []).map(([photo, reason]) => made("li", `${photo.split("/").pop()}: ${reason}`)));
}

function follow(job) {
  show(job);
  if (job.state === "done" || job.state === "failed") return;
  const events = new EventSource(`/v1/jobs/${job.job_id}/events`);
  events.addEventListener("job", (event) => {
    const now = JSON.parse(event.data);
    show(now);
    if (now.state === "done" || now.state === "failed") events.close();
  });
}

async function send(all) {
  for (let start = 0; start < all.length; start += AT_ONCE) await sendSome(all.slice(start, start + AT_ONCE), all.length - start);
}

async function sendSome(files, nLeft) {
  const form = new FormData();
  for (const field of at("send").querySelectorAll("fieldset input")) if (field.value.trim()) form.append(field.name, field.value.trim());
  for (const file of files) form.append("photos", file);
  say(`Sending ${nLeft} photo${nLeft === 1 ? "" : "s"} …`);
  follow(await ask("/v1/jobs", form));
  at("chosen").value = "";
  say(`${files.length} photo${files.length === 1 ? " is" : "s are"} kept; this page may be closed.`);
}

const drop = at("drop");
at("chosen").addEventListener("change", () => {
  const files = [...at("chosen").files];
  inTurn(() => send(files));
});
for (const kind of ["dragover", "drop"]) document.addEventListener(kind, (event) => event.preventDefault());
drop.addEventListener("dragover", () => drop.classList.add("over"));
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  drop.classList.remove("over");
  const files = [...event.dataTransfer.files]; // the event's own list is emptied when it is over
  inTurn(() => send(files));
});
at("send").addEventListener("submit", (event) => event.preventDefault());
inTurn(async () => {
  for (const job of (await ask("/v1/jobs")).jobs) follow(job.n_failures ? await ask(`/v1/jobs/${job.job_id}`) : job);
});
