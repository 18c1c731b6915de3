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
function selectBox(label, options, value, onchange) {
  const option = ([v, text]) => el("option", { value: v, selected: String(v) === String(value) }, text);
  const parts = options.map((o) => (Array.isArray(o) ? option(o) : el("optgroup", { label: o.group }, o.options.map(option))));
  const select = el("select", { onchange: () => onchange(select.value) }, parts);
  return el("label", { class: "field" }, el("span", null, label), select);
}

// One choice of a few, side by side; `options` are {value, text, disabled, title}.
function choice(name, label, options, value, onchange) {
  const radios = options.map((o) => {
    const input = el("input", {
      type: "radio", name, value: o.value, checked: o.value === value, disabled: o.disabled,
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
