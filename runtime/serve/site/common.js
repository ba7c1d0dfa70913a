"use strict";
const MOST_RETRIES = 20;
const byId = (id) => document.getElementById(id);
const [drop, files, statusLine, results] = ["drop", "files", "status", "results"].map(byId);

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function say(text, isBad = false) {
  statusLine.textContent = text;
  statusLine.className = isBad ? "bad" : "";
}

function headers() {
  const key = byId("key").value;
  return key ? { Authorization: `Bearer ${key}` } : {};
}

const percent = (value) => `${(100 * value).toFixed(1)} %`;
const counted = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

// Sends files, again while the server is busy; returns its answer and how long it took in ms.
async function ask(address, group, signal) {
  for (let attempt = 0; ; attempt++) {
    const form = new FormData();
    group.forEach((file) => form.append("image", file, file.name));
    const begin = performance.now();
    const response = await fetch(address, { method: "POST", body: form, headers: headers(), signal });
    if (response.status === 429 && attempt < MOST_RETRIES) {
      const seconds = Number(response.headers.get("Retry-After")) || 1;
      say(`The server is busy; trying again in ${seconds} s …`);
      await new Promise((go) => setTimeout(go, 1000 * seconds));
      continue;
    }
    const answer = await response.json().catch(() => ({}));
    if (response.status === 401) byId("key-row").hidden = false;
    if (!answer.results) throw new Error(answer.error || `status ${response.status}`);
    return [answer.results, performance.now() - begin];
  }
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // Only a page from a trusted origin may; the old way works everywhere.
    const area = element("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
}
