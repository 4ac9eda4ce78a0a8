// Sends the form. The same content goes under the same Idempotency-Key, so a double click, or another try after an
// answer that was lost, sends once; who does want it twice says so, and gets a new key.

import { ask, NoAnswer, Problem } from "./api.js";
import { compose, kind, Wrong } from "./compose.js";
import { byId, say } from "./dom.js";
import { clear, focus, mark, show } from "./problems.js";

const FIELDS = { "not-found": "path", "topic-suspended": "path", "topic-not-shared": "path", "topic-hash": "hash" };
const form = byId("send");
const keys = new Map(); // Idempotency-Key by what is sent
let busy = false;
let last = "";
let person = 0; // counts who sends: what comes back for the one before is not shown

export function forgetSent() {
  person += 1;
  keys.clear();
  say(byId("send-note"), "");
  say(byId("send-problem"), "");
  byId("once-more").hidden = true;
}

export function addSending(sent) {
  form.addEventListener("change", choose);
  choose();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!busy) submit(sent);
  });
  byId("once-more").addEventListener("click", () => {
    keys.delete(last);
    byId("once-more").hidden = true;
    say(byId("send-note"), "");
    byId("send-button").focus();
  });
}

function choose() {
  for (const part of form.querySelectorAll("[data-kind]")) part.hidden = part.disabled = part.dataset.kind !== kind(form);
}

async function submit(sent) {
  busy = byId("send-button").disabled = true;
  clear(form);
  say(byId("send-problem"), "");
  say(byId("send-note"), "Sending…");
  const asker = person;
  let request;
  try {
    request = compose(form);
    const answer = await post(request);
    if (asker === person) done(answer, sent);
  } catch (error) {
    if (asker !== person) return;
    say(byId("send-note"), "");
    refused(error, request);
  } finally {
    busy = byId("send-button").disabled = false;
  }
}

async function post({ path, body, headers }) {
  last = `${path}\n${body}`;
  if (!keys.has(last)) keys.set(last, newKey());
  return ask("POST", path, { body, headers: { ...headers, "Idempotency-Key": keys.get(last) } });
}

function done({ headers }, sent) {
  const id = headers.get("Location").split("/").pop();
  const again = headers.has("Idempotency-Replay");
  say(byId("send-note"), again ? `This was sent before, as ${id}; it was not sent again.` : `Accepted as ${id}.`);
  byId("once-more").hidden = false;
  sent(id);
}

function refused(error, request) {
  if (error instanceof Wrong) {
    mark(error.field, error.message);
    focus(form);
  } else if (error instanceof NoAnswer) {
    say(byId("send-problem"), "No answer came. Press Send again: if it was accepted, it will not be sent twice.");
  } else if (error instanceof Problem) {
    if (error.slug === "idempotency-spent") keys.delete(last);
    const field = kind(form) === "topic" && FIELDS[error.slug];
    if (field) mark(byId(field), error.message);
    show(form, error, request.places);
  } else {
    throw error;
  }
}

// randomUUID is for https alone.
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `console-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
