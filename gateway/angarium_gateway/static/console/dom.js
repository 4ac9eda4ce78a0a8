// Makes elements. What the API says only ever becomes text: nothing here, or anywhere on this page, parses HTML.

export const byId = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children); // strings become text nodes
  return element;
}

export function say(element, text) {
  element.textContent = text;
  if (element.classList.contains("problem")) element.hidden = !text;
}

export function status(word) {
  return make("span", { class: "status", "data-status": word }, word);
}

export function moment(instant) {
  const time = new Date(instant);
  return make("time", { datetime: instant, title: instant }, Number.isNaN(time.getTime()) ? instant : time.toLocaleString());
}

// Terms and their values, without those that are not there.
export function terms(pairs) {
  return pairs
    .filter(([, value]) => value !== undefined && value !== null && value !== "")
    .flatMap(([term, value]) => [make("dt", {}, term), make("dd", {}, value instanceof Node ? value : String(value))]);
}
