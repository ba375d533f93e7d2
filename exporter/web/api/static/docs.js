// Fetches the description and shows it. The key for reading is the one of the status page, kept for this tab only.
"use strict";

const KEY = "bot-exporter-key";
const at = (id) => document.getElementById(id);

function show(spec) {
  at("locked").hidden = at("lost").hidden = true;
  SwaggerUIBundle({
    spec,
    domNode: at("api"),
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    validatorUrl: null, // nothing is sent to anybody else
    queryConfigEnabled: false,
    requestInterceptor(request) {
      if (new URL(request.url, location.href).origin !== location.origin) {
        throw new Error("this page asks only its own server");
      }
      return request;
    },
  });
}

async function load() {
  const key = sessionStorage.getItem(KEY);
  try {
    const answer = await fetch("openapi.json", {headers: key ? {"X-API-Key": key} : {}, cache: "no-store"});
    if (answer.status === 401 || answer.status === 403) {
      at("locked").hidden = false;
      at("why").textContent = key
        ? "The key that was entered is not accepted."
        : "Keys are named under web.keys in the configuration.";
      return;
    }
    if (!answer.ok) {
      throw new Error(`the server said ${answer.status}`);
    }
    const spec = await answer.json();
    // Where this page was found, the rest of the server is found too, whatever proxies are in between.
    spec.servers = [{url: new URL("../..", location.href).href.replace(/\/$/, "")}];
    show(spec);
  } catch (error) {
    at("lost").textContent = `The description cannot be shown: ${error.message}.`;
    at("lost").hidden = false;
  }
}

at("locked").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, at("key").value.trim());
  at("key").value = "";
  load();
});
load();
