// The page refreshes itself through htmx. When that fails, old bars must not pass for new ones: say so.
"use strict";
for (const failure of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.addEventListener(failure, () => document.documentElement.classList.add("stale"));
}
document.addEventListener("htmx:afterSwap", () => document.documentElement.classList.remove("stale"));
