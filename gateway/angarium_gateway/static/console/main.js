// Who you are, and what you may do then; the rest of the page is in the modules beside this one.

import { ask, NoAnswer, Problem, remember } from "./api.js";
import { addChannels } from "./channels.js";
import { byId, say, terms } from "./dom.js";
import { follow, stopFollowing } from "./following.js";
import { groupList, notificationList } from "./lists.js";
import { addSending, forgetSent } from "./sending.js";

const groups = groupList();
const notifications = notificationList(chosen);

function watch(id) {
  return follow(id, () => notifications.read());
}

function chosen(id) {
  byId("follow-title").focus();
  return watch(id);
}

async function signIn(event) {
  event.preventDefault();
  const text = byId("credential").value.trim();
  byId("credential").value = "";
  say(byId("sign-in-problem"), "");
  if (!/^[\x21-\x7e]+$/.test(text)) {
    say(byId("sign-in-problem"), "That is no key and no token: these have neither blanks nor special letters.");
    return;
  }
  try {
    remember(text);
    show((await ask("GET", "/v1/me")).told);
  } catch (error) {
    forget();
    if (!(error instanceof Problem || error instanceof NoAnswer)) throw error;
    say(byId("sign-in-problem"), error.words);
  }
}

function show(me) {
  byId("me").replaceChildren(...terms([
    ["Product", me.product],
    ["Organization", me.organization],
    ["Key", me.key.id],
    ["Subject", me.subject],
    ["Valid until", me.key.expiresAt],
    ["May", me.scopes.join(", ")],
    ["Requests a second", me.quotas.requestsPerSecond],
    ["Deliveries that may wait", me.quotas.backlog],
  ]));
  signedIn(true);
  byId("send-title").scrollIntoView({ block: "nearest" });
  byId("forget").focus();
  groups.read();
  notifications.read();
}

function forget() {
  remember("");
  byId("me").replaceChildren();
  stopFollowing();
  forgetSent();
  groups.clear();
  notifications.clear();
  byId("hash").value = "";
  signedIn(false);
  byId("credential").focus();
}

function signedIn(is) {
  byId("sign-in").hidden = is;
  byId("who").hidden = byId("work").hidden = !is;
}

addChannels();
addSending((id) => {
  notifications.read();
  watch(id);
});
byId("sign-in").addEventListener("submit", signIn);
byId("forget").addEventListener("click", forget);
byId("refresh").addEventListener("click", () => notifications.read());
