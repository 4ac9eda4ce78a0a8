// Shows what was wrong beside the field that it is about, and the rest above the button.

import { byId, make, say } from "./dom.js";

const MARK = "field-problem";

export function clear(form) {
  for (const told of form.querySelectorAll(`.${MARK}`)) told.remove();
  for (const field of form.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
    const others = (field.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => !id.startsWith(MARK));
    field.setAttribute("aria-describedby", others.join(" "));
  }
}

export function mark(field, detail) {
  const id = `${MARK}-${field.id || field.dataset.channel}`;
  let told = byId(id);
  if (told) {
    told.append(`; ${detail}`);
  } else {
    told = make("p", { id, class: MARK }, detail);
    if (field.matches("fieldset")) field.append(told);
    else field.after(told);
  }
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", `${field.getAttribute("aria-describedby") ?? ""} ${id}`.trim());
  field.closest("details")?.setAttribute("open", "");
}

// The field that a pointer names: itself, else what it is within, else the first within it.
export function place(pointer, places) {
  const within = (inner, outer) => inner === outer || inner.startsWith(`${outer}/`);
  const above = places.filter(([at]) => within(pointer, at)).sort(([one], [other]) => other.length - one.length);
  return (above[0] ?? places.find(([at]) => within(at, pointer)))?.[1];
}

// All errors of a problem; what no field is about, in words above the button.
export function show(form, problem, places) {
  const rest = [];
  for (const { pointer, parameter, detail } of problem.errors) {
    const field = pointer === undefined ? undefined : place(pointer, places);
    if (field) mark(field, pointer && exact(pointer, places) ? detail : `${pointer} ${detail}`);
    else rest.push(`${pointer ?? parameter ?? ""} ${detail}`.trim());
  }
  say(byId("send-problem"), [problem.words, ...rest].join("; "));
  focus(form);
}

const exact = (pointer, places) => places.some(([at]) => at === pointer);

// To the first field that is wrong.
export function focus(form) {
  const wrong = form.querySelector("[aria-invalid]");
  const target = wrong?.matches("fieldset") ? wrong.querySelector("input, textarea") : wrong;
  (target ?? byId("send-problem")).focus();
}
