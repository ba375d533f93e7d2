// The live feed: one WebSocket for as long as the page is open. Each connection takes a ticket of its own, a lost one
// comes back with growing pauses, and with the cursor the server tells only what was missed.

import {keyHeaders} from "./key.js";
import {syncWith} from "./times.js";

const FIRST_MS = 500;
const MOST_MS = 15000;
const SILENCE_MS = 40000; // the server gives a sign of life every 15 seconds
const STEADY_MS = 10000; // a connection that lasts this long was a good one
const PATIENCE_MS = 10000;
const REVOKED = 1008;

export class Feed {
  phase = "connecting"; // connecting, live, waiting, locked
  why = "";
  heardAt = null; // when the last frame came
  retryAt = null;
  #cursor = "";
  #whole = false; // whether a snapshot has been complete: from then on the cursor is good to come back with
  #attempt = 0;
  #tries = 0;
  #socket = null;
  #timer = null;
  #silence = null;
  #begins;
  #onFrame;
  #onPhase;

  constructor({begins, onFrame, onPhase}) {
    this.#begins = begins;
    this.#onFrame = onFrame;
    this.#onPhase = onPhase;
  }

  // Connects, now and not when the pause is over.
  async connect() {
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    const left = this.#socket;
    this.#socket = null;
    left?.close();
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.#enter("connecting", this.why);
    const result = await askForTicket();
    if (attempt !== this.#attempt) {
      return; // a newer one is on its way
    }
    if (result.ticket) {
      this.#open(result.ticket);
    } else if (result.locked !== undefined) {
      this.#enter("locked", result.locked);
    } else {
      this.#later(result.why, result.waitMs);
    }
  }

  // Connects if there is no connection: the machine woke up, the page is looked at again, or somebody asks for it.
  hurry() {
    if (this.phase === "waiting") {
      this.connect();
    }
  }

  #open(ticket) {
    const place = new URL("status/stream", document.baseURI);
    place.protocol = place.protocol === "https:" ? "wss:" : "ws:";
    place.searchParams.set("ticket", ticket);
    if (this.#cursor) {
      place.searchParams.set("since", this.#cursor);
    }
    const socket = new WebSocket(place);
    let openedAt = null;
    this.#socket = socket;
    this.#listen(socket);
    socket.onopen = () => {
      openedAt = Date.now();
      this.#begins();
      if (this.#whole) {
        this.#enter("live", ""); // the server tells at once what was missed, and nothing if nothing was
      }
    };
    socket.onmessage = (message) => {
      if (socket !== this.#socket) {
        return;
      }
      const frame = JSON.parse(message.data);
      this.#cursor = frame.cursor;
      this.heardAt = Date.now();
      this.#listen(socket);
      this.#onFrame(frame);
      if (frame.type === "snapshot" && frame.kind === null) {
        this.#whole = true;
        this.#enter("live", "");
      }
    };
    socket.onclose = (event) => {
      if (socket !== this.#socket) {
        return;
      }
      this.#socket = null;
      if (openedAt !== null && Date.now() - openedAt > STEADY_MS) {
        this.#tries = 0;
      }
      this.#later(event.code === REVOKED ? "the key is no longer good" : "the connection ended");
    };
  }

  #listen(socket) {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => socket.close(), SILENCE_MS);
  }

  #later(why, leastMs = 0) {
    const pause = Math.min(MOST_MS, FIRST_MS * 2 ** this.#tries) * (0.75 + Math.random() / 2);
    this.#tries += 1;
    const wait = Math.max(pause, leastMs || 0);
    clearTimeout(this.#silence);
    this.retryAt = Date.now() + wait;
    this.#timer = setTimeout(() => this.connect(), wait);
    this.#enter("waiting", why);
  }

  #enter(phase, why) {
    this.phase = phase;
    this.why = why;
    this.#onPhase();
  }
}

async function askForTicket() {
  const headers = keyHeaders();
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const answer = await fetch("api/v1/stream-tickets", {method: "POST", headers, cache: "no-store", signal});
    syncWith(answer.headers.get("Date"));
    if (answer.status === 401 || answer.status === 403) {
      return {locked: "X-API-Key" in headers ? "The key that was entered is not accepted." : ""};
    }
    if (!answer.ok) {
      const waitMs = Number(answer.headers.get("Retry-After")) * 1000;
      return {why: `the server said ${answer.status}`, waitMs};
    }
    return {ticket: (await answer.json()).ticket};
  } catch (error) {
    return {why: error.name === "TimeoutError" ? "the server takes too long" : "the server cannot be reached"};
  }
}
