// The dialogs in which somebody enters a key, confirms an order, and reads what came of it.

import {at, element, foreign, setText} from "./dom.js";
import {give, idempotencyKey} from "./give.js";
import {hasKey, roleOf, useKey} from "./key.js";

const bot = (name) => `api/v1/bots/${encodeURIComponent(name)}`;

// Each order: its title, what it means, how its button is called, what is sent, and what to say when it is done.
const ORDERS = {
  start: {
    title: "Start", text: "It connects at once, and is switched on from now on, also after a restart of the server.",
    send: ({name}) => ({method: "POST", path: `${bot(name)}/start`}), done: ({name}) => `${name} is switched on.`,
  },
  stop: {
    title: "Stop", text: "It leaves its service and stays switched off, also after a restart of the server. What it is working on is left alone.", danger: true,
    send: ({name}) => ({method: "POST", path: `${bot(name)}/stop`}), done: ({name}) => `${name} is switched off.`,
  },
  restart: {
    title: "Restart", text: "It ends its connection and tries again at once, without waiting for the next retry.",
    send: ({name}) => ({method: "POST", path: `${bot(name)}/restart`}), done: ({name}) => `${name} begins anew.`,
  },
  "guard-code": {
    title: "Steam Guard code for", text: "The code from the e-mail or the Steam app.", button: "Hand it in", fields: "guard-code-fields",
    send: ({name}, form) => ({method: "POST", path: `${bot(name)}/guard-code`, body: {code: form.get("code").trim()}}), done: () => "The code is handed in: look whether Steam takes it.",
  },
  "begin-maintenance": {
    title: "Begin maintenance of", text: "It runs on, takes no new work, and nobody is alerted about it.", button: "Begin maintenance", fields: "maintenance-fields",
    send: ({name}, form) => ({method: "POST", path: `${bot(name)}/maintenance`, body: {reason: form.get("reason").trim(), until: form.get("until") ? new Date(form.get("until")).toISOString() : null}}),
    done: ({name}) => `${name} is in maintenance.`,
  },
  "end-maintenance": {
    title: "End maintenance of", text: "It takes new work again, and alerts are sent again.", button: "End maintenance",
    send: ({name}) => ({method: "DELETE", path: `${bot(name)}/maintenance`}), done: ({name}) => `Maintenance of ${name} is over.`,
  },
  "create-lobby": {
    title: "Create a lobby", text: "A free Dota 2 bot hosts it, once the coordinator has confirmed it.", button: "Create", fields: "lobby-fields", creates: true,
    send: (_, form) => ({method: "POST", path: "api/v1/lobbies", body: newLobby(form)}),
    done: (_, lobby) => `${lobby.name} is open: ${lobby.bot} hosts it.`,
  },
};

function newLobby(form) {
  const players = form.get("expected_players");
  const body = {name: form.get("name").trim(), server_region: form.get("server_region"), game_mode: form.get("game_mode")};
  return {
    ...body,
    ...(form.get("password") ? {password: form.get("password")} : {}),
    ...(form.get("bot") ? {bot: form.get("bot")} : {}),
    ...(players ? {expected_players: Number(players)} : {}),
  };
}

export class Orders {
  #fleet;
  #told;
  #order = null; // what the dialog is about
  #form = at("order-form");
  #dialog = at("order");
  #round = 0;

  // `told` is called when an order has been answered.
  constructor(fleet, told) {
    this.#fleet = fleet;
    this.#told = told;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#give();
    });
    at("order-cancel").addEventListener("click", () => this.#dialog.close());
    at("order-key").addEventListener("click", () => askForKey(""));
    this.#dialog.addEventListener("close", () => { this.#round += 1; });
    this.#form.addEventListener("input", () => { this.#order.key = null; });
  }

  // Asks whether an order is meant; `subject` is the bot that it is about.
  async begin(word, subject) {
    if (!hasKey() && !(await askForKey("Orders need an API key with the role admin."))) {
      return;
    }
    const kind = ORDERS[word];
    this.#order = {kind, subject, key: null};
    this.#round += 1;
    at("order-title").replaceChildren(kind.title, ...(subject ? [" ", foreign(subject.name)] : []));
    setText(at("order-text"), kind.text);
    setText(at("order-confirm"), kind.button ?? kind.title);
    at("order-confirm").className = kind.danger ? "primary danger" : "primary";
    const fields = kind.fields ? at(kind.fields).content.cloneNode(true) : "";
    at("order-fields").replaceChildren(fields);
    if (word === "create-lobby") {
      this.#offerHosts();
    }
    this.#say("", "");
    this.#busy(false);
    at("order-confirm").hidden = false;
    at("order-key").hidden = true;
    setText(at("order-cancel"), "Cancel");
    this.#dialog.showModal();
  }

  #offerHosts() {
    const hosts = [...this.#fleet.bots.values()].filter((each) => each.platform === "dota2").sort((one, other) => (one.name < other.name ? -1 : 1));
    at("order-fields").querySelector("[name=bot]").append(...hosts.map((each) => element("option", {value: each.name}, `${each.name}${each.available && each.state === "gc_connected" ? "" : " (not free)"}`)));
  }

  async #give() {
    const {kind, subject} = this.#order;
    const wanted = kind.send(subject, new FormData(this.#form));
    if (kind.creates) {
      this.#order.key ??= idempotencyKey();
      wanted.key = this.#order.key;
    }
    const round = this.#round;
    const isWanted = () => round === this.#round;
    this.#say("", "Sent, waiting for the confirmation…");
    this.#busy(true);
    const result = await give(wanted, {wanted: isWanted, waiting: () => this.#say("", "It takes longer, and is still being carried out. You may close this.")});
    this.#told();
    if (!isWanted()) {
      return;
    }
    this.#busy(false);
    this.#say(result.done ? "good" : "bad", result.done ? kind.done(subject ?? {}, result.body) : result.text, result.errors);
    at("order-key").hidden = !result.wrongKey;
    at("order-confirm").hidden = result.done || !result.again;
    if (!result.done && result.again) {
      setText(at("order-confirm"), "Try again");
    } else {
      at("order-fields").replaceChildren();
    }
    setText(at("order-cancel"), "Close");
    (at("order-confirm").hidden ? at("order-cancel") : at("order-confirm")).focus();
  }

  #busy(busy) {
    at("order-confirm").disabled = busy;
    at("order-fields").disabled = busy;
    this.#form.setAttribute("aria-busy", String(busy));
  }

  #say(colour, text, errors = []) {
    at("order-result").className = `result ${colour}`;
    at("order-result").replaceChildren(
      ...(text ? [element("p", {}, text)] : []),
      ...(errors.length > 0 ? [element("ul", {}, errors.map((each) => element("li", {}, foreign(each))))] : []),
    );
  }
}

// Asks for a key; resolves to whether one is in use afterwards that was entered now.
export function askForKey(reason) {
  const dialog = at("key-dialog");
  const entered = at("key");
  setText(at("key-why"), reason);
  setText(at("key-says"), "");
  at("key-forget").hidden = !hasKey();
  entered.value = "";
  return new Promise((resolve) => {
    let accepted = false;
    const check = async (event) => {
      event.preventDefault();
      const text = entered.value.trim();
      setText(at("key-says"), "Asking the server…");
      try {
        const role = await roleOf(text);
        if (role === "unknown") {
          setText(at("key-says"), "The server does not know this key.");
          return;
        }
        accepted = role === "admin" || reason === "";
        useKey(text);
        if (accepted || !dialog.open) {
          dialog.close();
        } else {
          setText(at("key-says"), "This key may only read. It is kept for that; orders need one with the role admin.");
        }
      } catch (error) {
        setText(at("key-says"), `The key could not be checked: ${error.message}`);
      }
    };
    const forget = () => {
      useKey("");
      dialog.close();
    };
    const over = () => {
      at("key-form").removeEventListener("submit", check);
      at("key-forget").removeEventListener("click", forget);
      at("key-cancel").removeEventListener("click", cancel);
      entered.value = "";
      resolve(accepted);
    };
    const cancel = () => dialog.close();
    at("key-form").addEventListener("submit", check);
    at("key-forget").addEventListener("click", forget);
    at("key-cancel").addEventListener("click", cancel);
    dialog.addEventListener("close", over, {once: true});
    dialog.showModal();
    entered.focus();
  });
}
