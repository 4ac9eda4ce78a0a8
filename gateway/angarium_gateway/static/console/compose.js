// Makes a request of the form, and remembers which field each part of its body came from.

import { byId } from "./dom.js";

// A field that can't be sent as it is.
export class Wrong extends Error {
  constructor(field, detail) {
    super(detail);
    this.field = field;
  }
}

export const kind = (form) => form.elements.kind.value;

// {path, body, headers, places}: places are [JSON Pointer into the body, field].
export function compose(form) {
  const makers = { event: anEvent, message: aMessage, topic: aPost };
  const { path = "/v1/notifications", members, places = [], headers = {} } = makers[kind(form)]();
  for (const field of form.querySelectorAll("[data-pointer]")) places.push([field.dataset.pointer, field]);
  const options = [["priority", byId("priority").value], ["deliverAt", instant("deliver-at")], ["expiresAt", instant("expires-at")]];
  for (const [name, value] of options) if (value) members.push([name, JSON.stringify(value)]);
  const body = `{${members.map(([name, raw]) => `${JSON.stringify(name)}: ${raw}`).join(", ")}}`;
  return { path, body, headers, places };
}

function anEvent() {
  return { members: [["event", JSON.stringify(byId("event").value.trim())], ["data", json("data")]] };
}

function aPost() {
  const path = byId("path");
  const parts = path.value.trim().split("/");
  if (parts.length !== 2 || parts.some((part) => !/^[A-Za-z0-9_-]+$/.test(part))) {
    throw new Wrong(path, "must be like orders/paid");
  }
  const hash = byId("hash").value.trim();
  if (!/^[\x20-\x7e]*$/.test(hash)) throw new Wrong(byId("hash"), "has characters that no hash has");
  return { path: `/v1/notifications/${parts.join("/")}`, members: [["metadata", json("metadata")]], headers: hash ? { "X-Topic-Hash-X": hash } : {} };
}

function aMessage() {
  const places = [];
  const contents = Object.fromEntries(ticked("channel").map(({ value }) => [value, content(value)]));
  const channels = Object.keys(contents);
  if (!channels.length) throw new Wrong(byId("channels"), "choose at least one");
  const [only] = channels;
  const members = channels.length === 1
    ? [["channel", JSON.stringify(only)], ["content", JSON.stringify(contents[only])]]
    : [["contents", JSON.stringify(contents)]];
  for (const channel of channels) {
    const above = channels.length === 1 ? "/content" : `/contents/${channel}`;
    places.push([above, byId("contents").querySelector(`[data-channel=${channel}]`)]);
    for (const field of fieldsOf(channel)) places.push([above + field.dataset.name, field]);
  }
  const to = recipients();
  to.forEach(([, field], number) => places.push([`/to/${number}`, field]));
  places.push(["/to", byId("addresses")]);
  members.push(["to", JSON.stringify(to.map(([recipient]) => recipient))]);
  const dedup = byId("dedup").value.trim();
  if (dedup) members.push(["dedupKey", JSON.stringify(dedup)]);
  return { members, places };
}

// [what goes into `to`, the field that it came from] of each.
function recipients() {
  return [
    ...lines("addresses").map((address) => [address, byId("addresses")]),
    ...lines("users").map((user) => [{ user }, byId("users")]),
    ...ticked("group").map((box) => [{ group: box.value }, byId("groups")]),
  ];
}

// Fields that were left empty are left out.
function content(channel) {
  const made = {};
  for (const field of fieldsOf(channel)) {
    if (!field.value.trim()) continue;
    const names = field.dataset.name.slice(1).split("/");
    const last = names.pop();
    const inner = names.reduce((object, name) => (object[name] ??= {}), made);
    inner[last] = "json" in field.dataset ? JSON.parse(json(field.id)) : field.value;
  }
  return made;
}

const fieldsOf = (channel) => [...byId("contents").querySelectorAll(`[data-channel=${channel}] [data-name]`)];
const ticked = (name) => [...document.querySelectorAll(`input[name=${name}]:checked`)];
const lines = (id) => byId(id).value.split("\n").map((line) => line.trim()).filter(Boolean);

// The very text, if it is JSON: reading and writing it again would round long numbers.
function json(id) {
  const text = byId(id).value.trim();
  try {
    JSON.parse(text);
  } catch (error) {
    throw new Wrong(byId(id), `is not JSON: ${error.message}`);
  }
  return text;
}

// The field has the person's own time.
function instant(id) {
  if (byId(id).validity.badInput) throw new Wrong(byId(id), "is not a time");
  return byId(id).value && new Date(byId(id).value).toISOString();
}
