// The fields of each channel's content. The name of a field is its place in the content, as a JSON Pointer.

import { byId, make } from "./dom.js";

const line = (name, label) => ({ name, label, rows: 0 });
const text = (name, label, rows = 4) => ({ name, label, rows });
const json = (name, label) => ({ name, label, rows: 2, json: true });

const TEXT = [
  text("/body", "Text", 3),
  line("/template/id", "Or the content SID of a template"),
  json("/template/variables", "Its variables, as a JSON object of texts"),
];
const CHANNELS = {
  email: [line("/subject", "Subject"), text("/text", "Text"), text("/html", "HTML")],
  sms: TEXT,
  whatsapp: TEXT,
  push: [line("/title", "Title"), text("/body", "Text", 3), json("/data", "Data for the application, as a JSON object of texts")],
  slack: [text("/text", "Text")],
  telegram: [text("/text", "Text")],
  apprise: [line("/title", "Title"), text("/body", "Text")],
};

// A box to tick for each channel, and its fields, which show while it is ticked.
export function addChannels() {
  for (const [channel, fields] of Object.entries(CHANNELS)) {
    const box = make("input", { type: "checkbox", name: "channel", value: channel });
    byId("channels").append(make("label", {}, box, ` ${channel}`));
    const content = make("fieldset", { "data-channel": channel }, make("legend", {}, channel), ...fields.map((one) => field(channel, one)));
    box.addEventListener("change", () => (content.hidden = content.disabled = !box.checked));
    content.hidden = content.disabled = true;
    byId("contents").append(content);
  }
}

function field(channel, { name, label, rows, json }) {
  const id = `${channel}${name.replaceAll("/", "-")}`;
  const input = rows ? make("textarea", { id, rows }) : make("input", { id });
  input.dataset.name = name;
  if (json) input.dataset.json = "";
  return make("div", { class: "field" }, make("label", { for: id }, label), input);
}
