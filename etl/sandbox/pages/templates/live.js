
"use strict";
// Newer rows are fetched as HTML and put on top, once a second, while somebody looks.
const rows = document.getElementById("rows");
const none = document.getElementById("none");
const live = document.getElementById("live");
const pause = document.createElement("button");
const words = document.createElement("span");
let running = true;

function say(state, text) {
  live.dataset.state = state;
  if (words.textContent !== text) words.textContent = text;
}

function newest() {
  return rows.firstElementChild ? rows.firstElementChild.dataset.number : 0;
}

async function look() {
  if (!running || document.hidden) return;
  const address = new URL(rows.dataset.newer, location.href);
  address.searchParams.set("after", newest());
  try {
    const answer = await fetch(address, { cache: "no-store" });
    const html = await answer.text();
    if (answer.status === 401) {
      running = false;
      pause.hidden = true;
      say("off", "The session has ended: log in again.");
      return;
    }
    rows.insertAdjacentHTML("afterbegin", html.trim());
    while (rows.children.length > Number(rows.dataset.kept)) rows.lastElementChild.remove();
    none.hidden = rows.children.length > 0;
    if (running) say("on", "Live");
  } catch {
    say("off", "The sandbox does not answer.");
  }
}

async function go() {
  await look();
  setTimeout(go, 1000);
}

pause.type = "button";
pause.className = "quiet";
pause.textContent = "Pause";
pause.addEventListener("click", () => {
  running = !running;
  pause.textContent = running ? "Pause" : "Go on";
  say(running ? "on" : "off", running ? "Live" : "Paused");
});
words.setAttribute("role", "status");
live.replaceChildren(words, pause);
say("on", "Live");
go();
