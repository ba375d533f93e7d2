// A program, not a test: the public Steam client steam-user does the orders that it reads, one JSON object a line, and
// prints what it sees in the same way. Its one argument is the address of a simulated Steam's directory.
'use strict';

const dns = require('node:dns');
const readline = require('node:readline');
const SteamTotp = require('steam-totp');
const SteamUser = require('steam-user');

const directory = process.argv[2];
let client = null;

function tell(what, facts) {
  process.stdout.write(`${JSON.stringify({ what, ...facts })}\n`);
}

// The simulator has a numeric address: whoever asks for a name wants to leave this machine.
dns.lookup = (name) => {
  process.stderr.write(`asked for ${name}\n`);
  process.exit(1);
};

// The client's one door to the Web API: it asks Steam for Valve's text format there, the simulator answers in JSON.
async function askDirectory(verb, service, method, version, query) {
  const parameters = new URLSearchParams({ ...query, format: 'json' });
  const answer = await fetch(`${directory}/${service}/${method}/v${version}/?${parameters}`, { method: verb });
  return answer.json();
}

function newClient() {
  const made = new SteamUser({
    autoRelogin: false,
    dataDirectory: null,
    protocol: SteamUser.EConnectionProtocol.WebSocket,
    renewRefreshTokens: true,
  });
  made._apiRequest = askDirectory;
  made.on('loggedOn', (answer) =>
    tell('logged on', { steamid: made.steamID.getSteamID64(), heartbeat_s: answer.heartbeat_seconds }));
  made.on('refreshToken', (token) => tell('token', { token }));
  made.on('accountInfo', (name) => tell('account', { name }));
  made.on('webSession', () => tell('web session'));
  // Steam leaves out what is false, which this client shows as null.
  made.on('playingState', (blocked, app) => tell('playing', { blocked: Boolean(blocked), app }));
  made.on('steamGuard', () => tell('code wanted')); // without this it asks the person at the terminal
  made.on('disconnected', (result) => tell('logged off', { result }));
  made.on('error', (error) => tell('error', { result: error.eresult, message: error.message }));
  return made;
}

const orders = {
  log_on({ secret, ...details }) {
    client = newClient(); // a new one each time: what it knows is what it is given
    client.logOn(secret ? { ...details, twoFactorCode: SteamTotp.generateAuthCode(secret) } : details);
  },
  play({ apps }) {
    client.gamesPlayed(apps);
  },
  to_game({ app, number, text }) {
    client.sendToGC(app, number, {}, Buffer.from(text), (from, kind, payload) =>
      tell('from game', { app: from, number: kind, text: payload.toString() }));
  },
  log_off() {
    client.logOff();
  },
};

readline
  .createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { order, ...rest } = JSON.parse(line);
    orders[order](rest);
  })
  .on('close', () => process.exit(0));
