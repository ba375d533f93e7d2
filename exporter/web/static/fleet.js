// What the feed has told: the objects of /status as they are now, by kind and id.

const KINDS = ["bot", "lobby", "race"];

const nothing = () => ({bot: new Map(), lobby: new Map(), race: new Map(), system: null});

export class Fleet {
  #known = nothing();
  #coming = null; // a snapshot that is not complete yet: until then the state before is shown
  #first = true;
  complete = false;

  get bots() { return this.#known.bot; }
  get lobbies() { return this.#known.lobby; }
  get races() { return this.#known.race; }
  get system() { return this.#known.system; }

  // A connection begins: its first frame says whether everything is told anew.
  connectionBegins() {
    this.#first = true;
    this.#coming = null;
  }

  // Returns what has changed: the kind, or "all" after a snapshot; null for nothing that shows.
  take(frame) {
    if (this.#first && frame.type === "snapshot") {
      this.#coming = nothing();
    }
    this.#first = false;
    if (this.#coming === null) {
      return put(this.#known, frame);
    }
    if (frame.type === "snapshot" && frame.kind === null) {
      this.#known = this.#coming;
      this.#coming = null;
      this.complete = true;
      return "all";
    }
    put(this.#coming, frame);
    return null;
  }

  // The lobby of a bot: one that is being created goes by the name of its bot.
  lobbyOf(bot) {
    return (bot.current_lobby_id && this.lobbies.get(bot.current_lobby_id)) || this.lobbies.get(bot.name) || null;
  }

  racesOf(bot) {
    return (bot.races ?? []).map((name) => this.races.get(name)).filter((race) => race !== undefined);
  }
}

function put(state, frame) {
  if (frame.kind === "system") {
    state.system = frame.data;
  } else if (!KINDS.includes(frame.kind)) {
    return null;
  } else if (frame.data === null) {
    state[frame.kind].delete(frame.id);
  } else {
    state[frame.kind].set(frame.id, frame.data);
  }
  return frame.kind;
}
