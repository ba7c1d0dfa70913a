// Whole pages: a shelf of files, of which one page is shown; pages are read when they are looked at.
const BROWSERS_OWN = /^image\/(png|jpeg|webp|gif|bmp|avif)$/;
const SVG = "http://www.w3.org/2000/svg";
const [sheet, list, paging] = ["sheet", "page-lines", "paging"].map(byId);
const shelf = [];
let shown = null, turn = 0, active = -1, options = [], outlines = [];

function putOnShelf(chosen) {
  const first = shelf.length;
  for (const file of chosen) {
    const isShown = BROWSERS_OWN.test(file.type);
    shelf.push({ file, url: isShown ? URL.createObjectURL(file) : null, numPages: 0, read: new Map() });
    byId("file").append(new Option(file.name, shelf.length - 1));
  }
  if (shelf.length > first) show(first, 1);
}

// Asks for a page once; what failed on the way is asked for again the next time.
function pageOf(item, number) {
  if (!item.read.has(number)) {
    const address = `read?pages=${number}&picture=${item.url ? 0 : 1}`;
    const asked = ask(address, [item.file]);
    asked.catch(() => item.read.delete(number));
    item.read.set(number, asked);
  }
  return item.read.get(number);
}

async function show(place, number) {
  const item = shelf[place], mine = ++turn;
  shown = { place, number, record: null };
  byId("pages").hidden = false;
  clearLeaf();
  updatePaging();
  byId("clear").disabled = false;
  if (item.url) hang(item.url, item.file.name);
  say(`Reading ${item.file.name}${item.numPages > 1 ? `, page ${number}` : ""} …`);
  try {
    const [[record], milliseconds] = await pageOf(item, number);
    if (mine !== turn) return;
    item.numPages = record.num_pages || 1;
    shown.record = record;
    updatePaging();
    draw(item, record, milliseconds);
    const next = neighbour(1);
    if (next && next[0] === place) pageOf(...[item, next[1]]).catch(() => {});
  } catch (error) {
    if (mine === turn) fail(`Not read: ${error.message}`);
  }
}

function fail(reason) {
  byId("page-error").textContent = reason;
  byId("page-error").hidden = false;
  say("The page could not be read", true);
}

function clearLeaf() {
  sheet.replaceChildren();
  list.replaceChildren();
  byId("page-warnings").replaceChildren();
  byId("line-detail").textContent = "";
  byId("page-error").hidden = true;
  byId("copy-text").disabled = byId("copy").disabled = true;
  list.removeAttribute("aria-activedescendant");
  [options, outlines, active] = [[], [], -1];
}

function hang(url, name) {
  const image = element("img");
  image.alt = `Picture of ${name}`;
  image.src = url;
  const picture = element("div", "picture");
  picture.append(image);
  sheet.replaceChildren(picture);
}

function draw(item, record, milliseconds) {
  byId("page-warnings").append(...record.warnings.map((text) => element("li", "", text)));
  if (record.error) return fail(record.error);
  if (!item.url) hang(record.picture || "data:,", `${item.file.name}, page ${record.page || 1}`);
  const numUnsure = record.lines.filter((line) => line.is_unsure && line.text).length;
  const parts = [counted(record.lines.filter((line) => line.text).length, "line")];
  if (numUnsure) parts.push(`${numUnsure} unsure`);
  if (Math.abs(record.angle) > 1) parts.push(`to be turned by ${record.angle.toFixed(0)}°`);
  parts.push(record.is_from_file ? "text from the file" : `${(milliseconds / 1000).toFixed(1)} s`);
  say(parts.join(" · "));
  drawOutlines(record);
  record.columns.forEach((column, place) => list.append(columnOf(record, column, place)));
  if (!options.some(Boolean)) list.append(element("p", "nothing", "No text was found."));
  byId("copy-text").disabled = byId("copy").disabled = false;
}

function drawOutlines(record) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${record.width_px || 1} ${record.height_px || 1}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");  // the list says the same in words
  outlines = record.lines.map((line, place) => {
    const outline = document.createElementNS(SVG, "polygon");
    outline.setAttribute("points", line.points.map((point) => point.join()).join(" "));
    outline.setAttribute("class", line.is_unsure ? "unsure" : "sure");
    outline.onmouseenter = () => { point(place); reveal(list, options[place]); };
    outline.onmouseleave = unpoint;
    outline.onclick = () => { choose(place); list.focus({ preventScroll: true }); };
    return outline;
  });
  svg.append(...outlines);
  sheet.firstChild.append(svg);
}

function columnOf(record, column, place) {
  const group = element("div", "column"), rows = new Map();
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", `Column ${place + 1}`);
  for (const index of column.lines) {
    const line = record.lines[index];
    if (!line.text) continue;
    if (!rows.has(line.row)) rows.set(line.row, element("div", "row"));
    const row = rows.get(line.row);
    row.setAttribute("role", "presentation");
    row.append(optionOf(line, index));
  }
  group.append(...rows.values());
  return group;
}

function optionOf(line, place) {
  const option = element("div", line.is_unsure ? "line unsure" : "line");
  const text = element("span", "", line.text);
  text.dir = "auto";
  option.append(text);
  if (line.is_unsure) {
    const flag = element("span", "flag", "?");
    flag.setAttribute("aria-label", `read with doubt, ${percent(line.confidence)}`);
    option.append(" ", flag);
  }
  option.id = `line-${place}`;
  option.setAttribute("role", "option");
  option.setAttribute("aria-selected", "false");
  option.onmouseenter = () => { point(place); reveal(sheet, outlines[place]); };
  option.onmouseleave = unpoint;
  option.onclick = () => choose(place);
  options[place] = option;
  return option;
}

function point(place) {
  outlines.forEach((outline, index) => outline.classList.toggle("on", index === place));
  options.forEach((option, index) => option.classList.toggle("on", index === place));
  const line = shown.record.lines[place];
  byId("line-detail").textContent = line ? `${percent(line.confidence)}${line.is_unsure ? ", unsure" : ""}` : "";
}

function unpoint() { point(document.activeElement === list ? active : -1); }

function choose(place) {
  active = place;
  options.forEach((option, index) => option.setAttribute("aria-selected", String(index === place)));
  if (options[place]) list.setAttribute("aria-activedescendant", options[place].id);
  point(place);
  reveal(list, options[place]);
  reveal(sheet, outlines[place]);
}

// Scrolls a part of the page alone, so that the page itself stays where it is.
function reveal(box, inner) {
  if (!inner) return;
  const around = box.getBoundingClientRect(), target = inner.getBoundingClientRect();
  if (target.top < around.top) box.scrollTop += target.top - around.top - 8;
  else if (target.bottom > around.bottom) box.scrollTop += target.bottom - around.bottom + 8;
}

// The page before or behind the shown one: its file's place and its number.
function neighbour(step) {
  const { place, number } = shown, numPages = shelf[place].numPages || 1;
  if (number + step >= 1 && number + step <= numPages) return [place, number + step];
  const item = shelf[place + step];
  return item && [place + step, step > 0 ? 1 : item.numPages || 1];
}

function turnPage(step) {
  const next = neighbour(step);
  if (next) show(...next);
}

function updatePaging() {
  const { place, number } = shown, numPages = shelf[place].numPages || 1;
  const several = shelf.length > 1 || numPages > 1;
  paging.hidden = !several;
  byId("file").value = place;
  byId("number").value = number;
  byId("number").max = numPages;
  byId("of").textContent = `of ${numPages}`;
  byId("before").disabled = !neighbour(-1);
  byId("after").disabled = !neighbour(1);
}

list.onkeydown = (event) => {
  const inOrder = shown.record ? shown.record.columns.flatMap((column) => column.lines).filter((place) => options[place]) : [];
  const at = inOrder.indexOf(active);
  const next = {
    ArrowDown: inOrder[at + 1], ArrowUp: at < 0 ? undefined : inOrder[at - 1],
    Home: inOrder[0], End: inOrder[inOrder.length - 1],
  };
  if (event.key in next) {
    event.preventDefault();
    if (next[event.key] !== undefined) choose(next[event.key]);
  } else if (event.key === "Enter" && at >= 0) {
    event.preventDefault();
    copy(shown.record.lines[active].text, list).then(() => say("Copied the line"));
  }
};
list.onfocus = () => { if (active >= 0) point(active); };
list.onblur = () => { if (shown.record) point(-1); };
byId("pages").addEventListener("keydown", (event) => {
  const step = { PageUp: -1, PageDown: 1 }[event.key];
  if (!step || event.target.tagName === "SELECT") return;
  event.preventDefault();
  turnPage(step);
});
byId("before").onclick = () => turnPage(-1);
byId("after").onclick = () => turnPage(1);
byId("file").onchange = () => show(Number(byId("file").value), 1);
byId("number").onchange = () => {
  const numPages = shelf[shown.place].numPages || 1, wanted = Math.round(Number(byId("number").value)) || 1;
  show(shown.place, Math.min(Math.max(wanted, 1), numPages));
};

async function copyPage(isText, button) {
  const { picture, ...record } = shown.record;
  await copy(isText ? record.text : JSON.stringify(record, null, 1), button);
  say(`Copied the page as ${isText ? "text" : "JSON"}`);
}

function clearPages() {
  turn++;
  shelf.forEach((item) => item.url && URL.revokeObjectURL(item.url));
  shelf.length = 0;
  if (shown) clearLeaf();
  shown = null;
  byId("file").replaceChildren();
  byId("pages").hidden = byId("clear").disabled = true;
  say("");
  files.focus();
}
