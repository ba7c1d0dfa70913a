const PER_REQUEST = 8, SURE = 0.98;
const answers = [];
let working = Promise.resolve(), numAsked = 0, numDone = 0, numFailed = 0;

function card(file) {
  const item = element("li", "card"), top = element("div", "top");
  const figures = element("span", "figures", "…"), figure = element("figure");
  const image = element("img");
  const url = URL.createObjectURL(file);
  image.alt = `Image ${file.name}`;
  image.src = url;
  image.onload = () => URL.revokeObjectURL(url);
  image.onerror = () => { figure.hidden = true; URL.revokeObjectURL(url); };
  figure.append(image);
  top.append(element("span", "name", file.name), figures);
  item.append(top, figure);
  results.append(item);
  return { item, figures, figure };
}

function characters(record, figure) {
  const text = element("div", "text"), detail = element("div", "detail");
  const box = element("i");
  figure.append(box);
  text.dir = "auto";
  if (!record.characters.length) text.append(element("span", "nothing", "nothing was read"));
  const marks = record.characters.map((one) => {
    const mark = element("span", "mark", one.text);
    const doubt = Math.min(1, Math.max(0, (SURE - one.confidence) / SURE * 2));
    if (one.confidence < SURE) {
      mark.style.setProperty("border-bottom-color", `rgba(var(--low), ${0.3 + 0.7 * doubt})`);
    }
    const shown = one.text === " " ? "space" : one.text;
    mark.setAttribute("role", "img");
    mark.setAttribute("aria-label", `${shown}, ${percent(one.confidence)}`);
    mark.tabIndex = -1;
    const show = () => {
      marks.forEach((other) => other.classList.toggle("on", other === mark));
      const [left, top, right, bottom] = one.box;
      const across = 100 / record.width_px, down = 100 / record.height_px;
      Object.assign(box.style, {
        left: `${left * across}%`, width: `${(right - left) * across}%`,
        top: `${top * down}%`, height: `${(bottom - top) * down}%`,
      });
      box.classList.add("on");
      detail.textContent = `“${shown}” ${percent(one.confidence)}`;
    };
    mark.onmouseenter = mark.onfocus = show;
    return mark;
  });
  const hide = () => {
    marks.forEach((mark) => mark.classList.remove("on"));
    box.classList.remove("on");
    detail.textContent = "";
  };
  if (marks.length) marks[0].tabIndex = 0;
  text.onmouseleave = hide;
  text.addEventListener("focusout", hide);
  text.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = marks.indexOf(document.activeElement);
    const next = event.key === "Home" ? marks[0]
      : event.key === "End" ? marks[marks.length - 1] : step && marks[at + step];
    if (at < 0 || !next) return;
    event.preventDefault();
    marks[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  };
  text.append(...marks);
  return [text, detail];
}

function fill(card, record, milliseconds, numTogether) {
  const ms = `${milliseconds.toFixed(0)} ms`;
  card.figures.title = numTogether > 1 ? `for ${numTogether} images together` : "";
  if (record.error) {
    card.figures.textContent = ms;
    card.item.append(element("div", "error", record.error));
    return;
  }
  card.figures.textContent = `${percent(record.confidence)} · ${ms}`;
  card.item.append(...characters(record, card.figure));
  for (const warning of record.warnings) card.item.append(element("div", "detail", warning));
}

async function readGroup(group) {
  const cards = group.map(card);
  try {
    const [records, milliseconds] = await ask("recognize", group);
    records.forEach((record, index) => {
      answers.push(record);
      numFailed += record.error !== null;
      fill(cards[index], record, milliseconds, records.length);
    });
  } catch (error) {
    numFailed += group.length;
    for (const one of cards) {
      one.figures.textContent = "";
      one.item.append(element("div", "error", `Not read: ${error.message}`));
    }
  }
  numDone += group.length;
}

function readLines(images) {
  if (!images.length) return;
  numAsked += images.length;
  working = working.then(async () => {
    for (let at = 0; at < images.length; at += PER_REQUEST) {
      say(`Reading ${numDone + 1} of ${numAsked} …`);
      await readGroup(images.slice(at, at + PER_REQUEST));
    }
    const failed = numFailed ? `, ${numFailed} could not be read` : "";
    say(`${numDone - numFailed} of ${counted(numDone, "image")} read${failed}`);
    if (readsPages()) return;
    byId("copy").disabled = !answers.length;
    byId("clear").disabled = false;
  });
}

function clearLines() {
  working = working.then(() => {
    answers.length = 0;
    numAsked = numDone = numFailed = 0;
    results.replaceChildren();
    byId("copy").disabled = byId("clear").disabled = true;
    say("");
    files.focus();
  });
}

async function copyLines() {
  await copy(JSON.stringify(answers, null, 1), byId("copy"));
  say(`Copied ${counted(answers.length, "result")} as JSON`);
}
