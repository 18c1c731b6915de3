// The page's data: compressed JSON in base64, in script elements that do not run.

async function unpacked(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}

// Draws the page of the summary, where the browser can read it.
async function drawn(draw) {
  if (typeof DecompressionStream === "undefined") {
    document.querySelector("header").append(el("p", { class: "alert" }, "This browser is too old to read the page's data; any of the year 2023 or later can."));
    return;
  }
  const data = await unpacked("summary");
  document.documentElement.dataset.ready = "drawing";
  draw(data);
  document.documentElement.dataset.ready = "yes";
}

// A section that has nothing to say goes, and what leads to it.
function withoutSection(id) {
  for (const part of document.querySelectorAll(`#${id}, nav li:has([href='#${id}'])`)) part.remove();
}

// On paper nothing can be opened; afterwards the page is as it was.
function openOnPaper(selector) {
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll(selector)].filter((part) => !part.open);
    for (const part of opened) {
      part.open = true;
      part.dispatchEvent(new Event("toggle")); // its own comes when all is printed
    }
  });
  addEventListener("afterprint", () => {
    for (const part of opened) part.open = false;
  });
}

// JSON has no infinities: as scores they are texts.
const scoreOf = (x) => (x === "inf" ? Infinity : x === "-inf" ? -Infinity : x);

async function unpackedProblem(id) {
  const details = await unpacked(id);
  for (const said of details.pools.flatMap((pool) => Object.values(pool.scores))) {
    said.values = said.values.map(scoreOf);
    said.steps = said.steps.map((row) => row?.map(scoreOf) ?? null);
  }
  for (const tree of details.trees) tree.value = tree.value.map(scoreOf);
  return details;
}
