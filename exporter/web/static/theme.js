// Runs before anything is painted, so that a chosen theme does not flash the other one.
try {
  const chosen = JSON.parse(localStorage.getItem("bot-exporter"))?.theme;
  if (chosen === "light" || chosen === "dark") {
    document.documentElement.dataset.theme = chosen;
  }
} catch {
  // Without storage, or with somebody else's text in it, the system's theme is used.
}
