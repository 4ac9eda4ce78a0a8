// The lists that the page reads, a page at a time: the last notifications, and the groups to choose from.

import { ask, NoAnswer, Problem } from "./api.js";
import { byId, make, moment, say, status } from "./dom.js";
import { whom } from "./following.js";

class List {
  constructor(path, name, draw, into, note, more) {
    Object.assign(this, { path, name, draw, into, note, more, cursor: null, turn: 0 });
    more.addEventListener("click", () => this.read(this.cursor));
  }

  clear() {
    this.turn += 1; // what is still on its way is of somebody else
    this.into.replaceChildren();
    this.more.hidden = true;
    say(this.note, "");
  }

  // From the beginning, unless there is a cursor to go on from.
  async read(cursor = null) {
    const turn = (this.turn += 1);
    try {
      const { told } = await ask("GET", cursor ? `${this.path}&cursor=${encodeURIComponent(cursor)}` : this.path);
      if (turn !== this.turn) return;
      const drawn = told[this.name].map(this.draw);
      if (cursor) this.into.append(...drawn);
      else this.into.replaceChildren(...drawn);
      this.cursor = told.cursor;
      this.more.hidden = !told.cursor;
      say(this.note, this.into.childElementCount ? "" : "There are none.");
    } catch (error) {
      if (!(error instanceof Problem || error instanceof NoAnswer)) throw error;
      if (turn === this.turn) say(this.note, error.words);
    }
  }
}

export function groupList() {
  const draw = ({ name, members }) =>
    make("label", {}, make("input", { type: "checkbox", name: "group", value: name }), ` ${name} (${members})`);
  return new List("/v1/groups?limit=100", "groups", draw, byId("groups-list"), byId("groups-note"), byId("groups-more"));
}

export function notificationList(chosen) {
  const draw = (one) => {
    const [first, ...others] = one.deliveries;
    const to = first ? `to ${whom(first)}${others.length ? ` and ${others.length} more` : ""}` : "";
    const parts = [status(one.status), make("span", {}, one.event), moment(one.createdAt), make("span", {}, to)];
    const button = make("button", { type: "button", "data-id": one.id }, ...parts);
    button.addEventListener("click", () => chosen(one.id));
    return make("li", {}, button);
  };
  return new List("/v1/notifications?limit=10", "notifications", draw, byId("list"), byId("list-note"), byId("list-more"));
}
