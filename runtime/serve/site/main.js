// What both ways of reading share: the model, the choice between them, files, buttons.
function showCommand() {
  const key = byId("key-row").hidden ? "" : ' -H "Authorization: Bearer $KEY"';
  const to = new URL(readsPages() ? "read?format=txt" : "recognize?detail=text", location.href);
  byId("curl").textContent = `curl${key} -F image=@${readsPages() ? "page.jpg" : "line.png"} "${to}"`;
}

const modes = [...document.querySelectorAll("input[name=mode]")];
const readsPages = () => modes.find((mode) => mode.checked).value === "pages";

async function describeModel() {
  try {
    const response = await fetch("model", { headers: headers() });
    byId("key-row").hidden = response.status !== 401 && !byId("key").value;
    showCommand();
    if (!response.ok) return;
    const model = await response.json();
    byId("model").textContent =
      `${model.name} · ${model.spec.characters.length} characters · ${model.engine}`;
    if (model.pages && byId("modes").hidden) {
      byId("modes").hidden = false;
      modes.find((mode) => mode.value === "pages").checked = true;
      choosePart();
    }
  } catch { say("The server does not answer.", true); }
}

function choosePart() {
  const isPages = readsPages();
  document.body.className = isPages ? "pages" : "";
  byId("heading").textContent = isPages ? "Read pages" : "Read line images";
  byId("invitation").textContent =
    isPages ? "Drop, paste or choose pictures of pages or PDF files" : "Drop, paste or choose images of text lines";
  files.accept = `image/*,.tif,.tiff${isPages ? ",.pdf,application/pdf" : ""}`;
  showCommand();
  results.hidden = byId("help-lines").hidden = isPages;
  byId("copy-text").hidden = byId("help-pages").hidden = !isPages;
  byId("pages").hidden = !isPages || !shown;
  const isEmpty = isPages ? !(shown && shown.record) : !answers.length;
  byId("copy").disabled = byId("copy-text").disabled = isEmpty;
  byId("clear").disabled = isPages ? !shown : !results.children.length;
  say("");
}

function read(chosen) { (readsPages() ? putOnShelf : readLines)([...chosen]); }

modes.forEach((mode) => { mode.onchange = choosePart; });
files.onchange = () => { read(files.files); files.value = ""; };
addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  read(event.dataTransfer.files);
});
addEventListener("paste", (event) => read(event.clipboardData.files));
byId("key").onchange = describeModel;
byId("clear").onclick = () => (readsPages() ? clearPages() : clearLines());
byId("copy").onclick = () => (readsPages() ? copyPage(false, byId("copy")) : copyLines());
byId("copy-text").onclick = () => copyPage(true, byId("copy-text"));
showCommand();
describeModel();
