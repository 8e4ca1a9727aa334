// Shows what a search finds while it is typed; without this script the button Search does the same.
"use strict";
(() => {
  const field = document.getElementById("q-field");
  if (!field) return;
  let waiting = 0;
  let latest = 0;
  const search = async () => {
    const asked = ++latest;
    const query = new URLSearchParams(new FormData(field.form));
    query.set("part", "found");
    try {
      const answer = await fetch(`${field.form.action}?${query}`);
      const text = await answer.text();
      // An answer that comes late belongs to what was typed before.
      if (answer.ok && asked === latest) document.getElementById("found").outerHTML = text;
    } catch {
      // The server is away; the button still says so.
    }
  };
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(search, 200);
  });
})();
