"""The page in a real browser, as people see it: Debian's Chromium, driven by Playwright."""
