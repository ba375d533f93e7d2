// Times as whoever reads the page has them: in the zone of the browser, by the clock of the server.

import {element} from "./dom.js";

const DAY_S = 86400;
const SHORT = new Intl.DateTimeFormat(undefined, {month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit"});
const CLOCK = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit", second: "2-digit"});
const FULL = new Intl.DateTimeFormat(undefined, {dateStyle: "full", timeStyle: "long"});

let aheadMs = 0; // the browser's clock may be wrong

export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

// Takes the header Date of an answer; it has whole seconds, so less than two apart is no difference.
export function syncWith(date) {
  const difference = Date.parse(date ?? "") + 500 - Date.now();
  aheadMs = Math.abs(difference) > 2000 ? difference : 0;
}

export const serverNow = () => Date.now() + aheadMs;
export const clock = (ms) => CLOCK.format(ms);
export const local = (iso) => SHORT.format(Date.parse(iso));
export const full = (iso) => FULL.format(Date.parse(iso));

export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) {
    return `${whole}s`;
  }
  const parts = [[Math.floor(whole / DAY_S), "d"], [Math.floor(whole / 3600) % 24, "h"], [Math.floor(whole / 60) % 60, "m"]];
  return parts.filter(([count]) => count > 0).slice(0, 2).map(([count, unit]) => count + unit).join(" ");
}

const two = (number) => String(number).padStart(2, "0");

// As racers write it: 1:02:03.
export function raceTime(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

// The ways to tell a time relative to now. Only a countdown shows seconds all the time: it is there to be watched.
const FORMS = {
  ago: (seconds) => (seconds > -60 ? (seconds > 0 ? `in ${span(seconds)}` : "just now") : `${span(-seconds)} ago`),
  countdown: (seconds) => {
    const whole = Math.max(0, Math.ceil(seconds));
    if (whole === 0) {
      return "now";
    }
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
    return hours > 0 ? `in ${hours}:${two(minutes)}:${two(whole % 60)}` : `in ${minutes}:${two(whole % 60)}`;
  },
  lasting: (seconds) => span(-seconds),
};

function told(node) {
  return FORMS[node.dataset.form]((node.ms - serverNow()) / 1000);
}

// An element that tells a time and is kept up to date by `tick`.
export function moment(iso, form = "ago") {
  const made = element("time", {datetime: iso, "data-form": form, title: full(iso)});
  made.ms = Date.parse(iso);
  made.textContent = told(made);
  return made;
}

export function tick() {
  for (const each of document.querySelectorAll("time[data-form]")) {
    const text = told(each);
    if (each.textContent !== text) {
      each.textContent = text;
    }
  }
}
