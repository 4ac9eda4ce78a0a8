// Follows one notification until it has ended: asks anew while it is pending, ever more seldom while nothing changes.

import { ask, NoAnswer, Problem } from "./api.js";
import { byId, make, moment, say, status, terms } from "./dom.js";

const FIRST = 2; // seconds that the gateway is asked to wait
const LONGEST = 20;
const PAUSE = 3; // seconds after a failure
let following = new AbortController();

export function stopFollowing() {
  following.abort();
  byId("followed").replaceChildren();
  say(byId("follow-note"), "Send something, or choose one of the list.");
}

// Calls `ended` when there is nothing more to come.
export async function follow(id, ended) {
  following.abort();
  following = new AbortController();
  byId("followed").replaceChildren();
  say(byId("follow-note"), `Reading ${id}…`);
  try {
    await until(id, following.signal);
    ended();
  } catch (error) {
    if (error.name === "AbortError") return; // another is followed now
    if (!(error instanceof Problem)) throw error;
    say(byId("follow-note"), error.words);
  }
}

async function until(id, signal) {
  const known = { tag: "", wait: 0, pending: true };
  while (known.pending) {
    try {
      await look(id, known, signal);
    } catch (error) {
      if (!(error instanceof NoAnswer) && !error.passes) throw error;
      say(byId("follow-note"), `${error.words} Asking again…`);
      known.tag = "";
      await pause(error.retryAfter || PAUSE, signal);
    }
  }
}

async function look(id, known, signal) {
  const path = `/v1/notifications/${encodeURIComponent(id)}`;
  const headers = known.tag ? { "If-None-Match": known.tag } : {};
  const one = await ask("GET", `${path}?wait=${known.wait}`, { headers, signal });
  if (one.status === 304) {
    known.wait = Math.min(known.wait * 2, LONGEST);
    return;
  }
  const timeline = await ask("GET", `${path}/timeline`, { signal });
  draw(one.told, timeline.told.entries);
  known.tag = one.headers.get("ETag") ?? "";
  known.wait = FIRST;
  known.pending = one.told.status === "pending";
  say(byId("follow-note"), known.pending ? "It is pending; this follows by itself." : `It has ended: ${one.told.status}.`);
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

function draw(one, entries) {
  const about = make("dl", {}, ...terms([
    ["Notification", make("code", {}, one.id)],
    ["Status", status(one.status)],
    ["Event", one.event],
    ["Priority", one.priority],
    ["Accepted", moment(one.createdAt)],
    ["Not before", one.deliverAt && moment(one.deliverAt)],
    ["Not after", one.expiresAt && moment(one.expiresAt)],
  ]));
  byId("followed").replaceChildren(
    about,
    make("h3", {}, "Deliveries"),
    one.deliveries.length ? make("ul", { id: "deliveries" }, ...one.deliveries.map(delivery)) : make("p", {}, "None: nobody subscribes to this event."),
    make("h3", {}, "Timeline"),
    make("ol", { id: "timeline" }, ...entries.map(entry)),
  );
}

export function whom(one) {
  if (one.callback) return `callback ${one.callback}`;
  if (one.group) return `group ${one.group}`;
  if (one.user) return `user ${one.user}`;
  return one.channel ? `${one.channel} ${one.to ?? ""}` : "";
}

function delivery(one) {
  const counts = one.recipients;
  const facts = [
    counts && `${counts.delivered} of ${counts.total} delivered, ${counts.pending} pending, ${counts.refused} refused`,
    `${one.attempts} ${one.attempts === 1 ? "attempt" : "attempts"}`,
    one.reason,
  ].filter(Boolean);
  const next = one.nextAttemptAt ? ["; next ", moment(one.nextAttemptAt)] : [];
  return make("li", {}, status(one.status), ` ${whom(one)}: ${facts.join("; ")}`, ...next);
}

function entry(one) {
  const facts = [
    one.number === undefined ? one.type : `${one.type} ${one.number}`,
    whom(one),
    one.outcome,
    one.by && `by ${one.by}`,
    one.reason,
    one.detail,
    one.response?.provider && `provider ${one.response.provider}`,
    one.response?.status && `answer ${one.response.status}`,
    one.durationMs !== undefined && `${one.durationMs} ms`,
  ].filter(Boolean);
  const next = one.nextAttemptAt ? [" · next ", moment(one.nextAttemptAt)] : [];
  const body = one.response?.body ? [make("pre", {}, one.response.body)] : [];
  return make("li", {}, moment(one.at), ` ${facts.join(" · ")}`, ...next, ...body);
}
