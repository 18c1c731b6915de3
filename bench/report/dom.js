// Elements. What a model wrote comes in as a text node or an attribute's value, never as HTML.

// From an element of the page, so that no address stands in it.
const SVG = document.getElementById("hidden").namespaceURI;

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, v] of Object.entries(value)) node.style.setProperty(key, v);
    else if (value === true && !name.startsWith("aria-")) node.setAttribute(name, "");
    else node.setAttribute(name, String(value)); // of ARIA "" means nothing, "true" is meant
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

function el(name, attributes, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function svg(name, attributes, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

// A select with its label; `options` are [value, text] pairs, or {group, options} where they are many.
function selectBox(label, options, value, onchange, key = label) {
  const option = ([v, text]) => el("option", { value: v, selected: String(v) === String(value) }, text);
  const parts = options.map((o) => (Array.isArray(o) ? option(o) : el("optgroup", { label: o.group }, o.options.map(option))));
  const select = el("select", { "data-key": key, onchange: () => onchange(select.value) }, parts);
  return el("label", { class: "field" }, el("span", null, label), select);
}

// One choice of a few, side by side; `options` are {value, text, disabled, title}.
function choice(name, label, options, value, onchange) {
  const radios = options.map((o) => {
    const input = el("input", {
      type: "radio", name, value: o.value, "data-key": `${name} ${o.value}`, checked: o.value === value, disabled: o.disabled,
      onchange: () => onchange(o.value),
    });
    return el("label", { title: o.title }, input, el("span", null, o.text));
  });
  return el("fieldset", { class: "choice" }, el("legend", null, label), el("div", null, radios));
}

function tick(label, checked, onchange) {
  const input = el("input", { type: "checkbox", checked, onchange: () => onchange(input.checked) });
  return el("label", { class: "tick" }, input, label);
}

// Calls `draw` now and whenever the width of `box` changes.
function onWidth(box, draw) {
  let width = 0;
  const look = () => {
    if (box.clientWidth && box.clientWidth !== width) {
      width = box.clientWidth;
      draw();
    }
  };
  look(); // what is on the page already is drawn before it is first shown
  new ResizeObserver(look).observe(box);
}

const dark = matchMedia("(prefers-color-scheme: dark)");

// Draws anew what is in `root`; the focus stays on what has the same `data-key`. Whether there was such a thing.
function keepingFocus(root, draw) {
  const at = root.contains(document.activeElement) ? keyOf(document.activeElement) : null;
  draw();
  const again = at && [...root.querySelectorAll("[data-key], [data-problem]")].find((node) => keyOf(node) === at);
  again?.focus({ preventScroll: true });
  return Boolean(again);
}

const keyOf = (node) => node.dataset.key ?? node.dataset.problem ?? null;

// What cannot be pressed keeps the focus, which a disabled button would lose.
function able(button, on) {
  button.setAttribute("aria-disabled", String(!on));
}

// What is made only when it is opened.
function folded(summary, fill) {
  const box = el("details", null, el("summary", null, summary));
  box.addEventListener("toggle", () => { if (box.open && box.children.length === 1) box.append(...[fill()].flat()); });
  return box;
}

// The first characters of a text, none of them half.
const firstOf = (text, most) => text.slice(0, most).replace(/[\uD800-\uDBFF]$/, "");

// A problem's id where it stands beside others; its title has the whole.
const idText = (id) => (id === "" ? "(no id)" : id.length > 60 ? `${firstOf(id, 60)}…` : id);

const LONG = 3000; // characters that are shown at once

// What stands on paper in place of a button that would show more.
const onPaper = (text) => ({ "data-paper": text });

// A long text is cut, with a button that shows all of it.
function cutText(text, tag, attributes) {
  const node = el(tag, attributes, text.length > LONG ? `${firstOf(text, LONG)}…` : text);
  if (text.length <= LONG) return [node];
  const more = el("button", {
    type: "button", class: "small", ...onPaper(`… ${plural(text.length - LONG, "character")} more`),
    onclick: () => {
      node.textContent = text;
      node.tabIndex = -1;
      more.remove();
      node.focus({ preventScroll: true });
    },
  }, `show all ${text.length.toLocaleString("en")} characters`);
  return [node, more];
}
